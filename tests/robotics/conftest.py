"""What the robot's tests share: a table that is drawn, and a tiny data set without one."""

from __future__ import annotations

import numpy as np
import pytest

from fake_models import red_square
from ivm.core.errors import IvmError


@pytest.fixture(scope="session")
def can_draw():
    """Skip, with the reason, where MuJoCo cannot draw."""
    for package in ("mujoco", "gymnasium", "numba"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from ivm.data.tabletop.mujoco_gl import open_context

    try:
        open_context(8, 8).free()
    except IvmError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def table(can_draw):
    """Makes environments, and closes them."""
    from ivm.robotics.env import TabletopEnv

    made = []

    def make(level="trained", **options):
        made.append(TabletopEnv(level, **{"size": 48, **options}))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture
def demos(tmp_path):
    """A data set of two episodes with 3 and 4 frames, 32 x 32, with ids of things."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from ivm.robotics.dataset import DatasetWriter
    from ivm.robotics.features import ACTION, CAMERA, STATE, image_feature, vector_feature

    features = {
        CAMERA: image_feature(32, 32),
        STATE: vector_feature(("x", "y", "z", "gap", "force")),
        ACTION: vector_feature(("x", "y", "z", "grip")),
    }
    with DatasetWriter(tmp_path / "demos", features, fps=10, robot="test", episodes_a_file=1) as writer:
        for episode, task in enumerate(("pick up the red cup", "pick up the duck")):
            for number in range(3 + episode):
                image = red_square(2 * number)
                ids = (image[..., 0] > 200).astype(np.uint8)
                ids[:4] = 255
                state, action = np.full(5, number / 10, np.float32), np.full(4, -number / 10, np.float32)
                writer.add_frame({CAMERA: image, STATE: state, ACTION: action}, ids=ids)
            writer.save_episode(task, needed=(1,))
    return tmp_path / "demos"
