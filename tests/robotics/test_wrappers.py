"""Masking as a switch: the Gymnasium wrapper, and the LeRobot step against its recorded interface."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fake_models import RedModel, red_square
from ivm.core.errors import OptionError, RecordError

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")
from gymnasium import spaces  # noqa: E402

from ivm.robotics.layouts import BEAR, BRIDGE, LayoutAdapter  # noqa: E402
from ivm.robotics.lerobot_step import StepMask, make_step  # noqa: E402
from ivm.robotics.stream import MaskStream  # noqa: E402
from ivm.robotics.wrapper import MaskObservation  # noqa: E402


class Camera(gymnasium.Env):
    """A camera above a red square; no physics."""

    def __init__(self, **extra):
        self.action_space = spaces.Discrete(2)
        image = spaces.Box(0, 255, (32, 32, 3), np.uint8)
        self.observation_space = spaces.Dict({"image": image, "instruction": spaces.Text(40), **extra})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"image": red_square(), "instruction": "the red cup"}, {}

    def step(self, action):
        return {"image": red_square(5), "instruction": "the red cup"}, 0.0, False, False, {}


def test_the_wrapper_masks_what_the_policy_sees():
    env = MaskObservation(Camera(), MaskStream(RedModel(), deadline=None), fill="white")
    for observation in (env.reset(seed=0)[0], env.step(0)[0]):
        assert observation["instruction"] == "the red cup"
        assert (observation["image"][14:18, 7:11] == (250, 10, 10)).all()
        assert (observation["image"][28:] == 255).all()
        assert env.observation_space["image"].contains(observation["image"])
    assert env.stream.counts.frames == 2
    env.reset()
    assert env.stream.counts.frames == 1, "an episode begins anew"
    env.close()


def test_a_soft_mask_is_a_fourth_channel():
    env = MaskObservation(Camera(), MaskStream(RedModel(), deadline=None), fill="soft")
    image = env.reset(seed=0)[0]["image"]
    assert env.observation_space["image"].shape == image.shape == (32, 32, 4)
    assert image[15, 6, 3] > 200 > 50 > image[0, 0, 3]
    env.close()


def test_the_wrapper_says_which_key_is_wrong():
    stream = MaskStream(RedModel())
    with pytest.raises(OptionError, match=r"camera 'wrist'.*image"):
        MaskObservation(Camera(), stream, image="wrist")
    with pytest.raises(OptionError, match="instruction 'task'"):
        MaskObservation(Camera(), stream, instruction="task")


def test_the_table_itself_goes_through_the_wrapper(table):
    env = MaskObservation(table(size=48), MaskStream(RedModel(), deadline=None, threshold=0.0), fill="white")
    observation, _ = env.reset(seed=0)
    robot = observation["segmentation"] == 255
    assert robot.any()
    assert env.last is not None
    assert (env.last.soft[robot] == 1).all()


class Step:
    """What lerobot 0.4.4's ObservationProcessorStep does with a transition (processor/pipeline.py)."""

    @property
    def transition(self):
        return self._current_transition

    def __call__(self, transition):
        self._current_transition = transition.copy()
        observation = self._current_transition["observation"]
        self._current_transition["observation"] = self.observation(observation.copy())
        return self._current_transition


class Key:
    COMPLEMENTARY_DATA = "complementary_data"


CAMERA = "observation.images.front"


def test_the_lerobot_step_masks_batches_of_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    step = make_step(Step, Key)(cameras=[CAMERA], model=RedModel(), deadline=None)
    batch = torch.stack([torch.from_numpy(red_square(x)).permute(2, 0, 1) / 255 for x in (4, 16)])
    state = torch.zeros(2, 5)
    transition = {
        "observation": {CAMERA: batch, "observation.state": state},
        "complementary_data": {"task": ["the red cup", "the red duck"]},
    }
    out = step(transition)["observation"]
    assert out["observation.state"] is state
    assert out[CAMERA].shape == batch.shape
    assert out[CAMERA].dtype == batch.dtype
    assert torch.equal(out[CAMERA][1, :, 14:18, 18:22], batch[1, :, 14:18, 18:22])
    assert (out[CAMERA][:, :, 28:] == 1).all()
    assert json.loads(json.dumps(step.get_config()))["cameras"] == [CAMERA]
    assert step.transform_features({"a": 1}) == {"a": 1}
    step.reset()


def test_the_step_follows_each_environment_by_itself_and_a_new_task_begins_anew():
    model = RedModel()
    step = StepMask(cameras=(CAMERA,), model=model, every=2, deadline=None)
    frame = np.moveaxis(red_square(), -1, 0)
    for _ in range(3):
        step.mask({CAMERA: np.stack([frame, frame])}, ["the red cup", "the duck"])
    assert len(model.asked) == 4
    step.mask({CAMERA: np.stack([frame, frame])}, ["the plate", "the duck"])
    assert model.asked[-1] == ["the plate"]
    step.reset()


@pytest.mark.parametrize("task", [None, "", ["the cup"], ["the cup", " "]])
def test_the_step_wants_an_instruction_for_each_picture(task):
    step = StepMask(cameras=(CAMERA,), model=RedModel())
    with pytest.raises(RecordError, match="instruction"):
        step.mask({CAMERA: np.zeros((2, 3, 32, 32), np.float32)}, task)


def test_the_step_says_which_camera_is_missing_or_wrong():
    step = StepMask(cameras=(CAMERA,), model=RedModel())
    with pytest.raises(RecordError, match=r"no camera 'observation.images.front'.*wrist"):
        step.mask({"observation.images.wrist": np.zeros((3, 8, 8))}, "the cup")
    with pytest.raises(RecordError, match="shape"):
        step.mask({CAMERA: np.zeros((8, 8), np.float32)}, "the cup")
    with pytest.raises(OptionError, match="soft"):
        StepMask(cameras=(CAMERA,), fill="soft")
    with pytest.raises(OptionError, match="no camera"):
        StepMask(cameras=())


@pytest.mark.parametrize(
    ("layout", "observation"),
    [
        (BRIDGE, {"image": np.moveaxis(red_square().astype(np.float32) / 255, -1, 0).ravel(), "state": np.zeros(7)}),
        (BEAR, {"imgs": np.moveaxis(red_square() / 255, -1, 0)[None, None].astype(np.float32), "lang": "the red cup"}),
    ],
)
def test_other_robots_layouts_keep_their_form(layout, observation):
    stream = MaskStream(RedModel(), deadline=None)
    adapter = LayoutAdapter(stream, layout, size=(32, 32))
    out = adapter(observation, instruction="the red cup")
    key = layout.image
    assert out[key].shape == observation[key].shape
    assert out[key].dtype == observation[key].dtype
    flat = np.moveaxis(out[key].reshape(3, 32, 32), 0, -1) * 255
    assert (np.round(flat[14:18, 6:10]) == (250, 10, 10)).all()
    assert (np.round(flat[28:]) == 255).all()
    with pytest.raises(RecordError, match="no camera"):
        adapter({}, instruction="the red cup")
    with pytest.raises(RecordError, match="instruction"):
        adapter({key: observation[key]}, instruction=None)
    stream.close()
