"""The network, behaviour cloning, checkpoints; small enough to run in seconds."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from ivm.core.errors import CheckpointError, OptionError, TrainingError  # noqa: E402
from ivm.core.instruction import token_batch  # noqa: E402
from ivm.robotics.cloning import paint_tables, train_policy  # noqa: E402
from ivm.robotics.frames import Frames  # noqa: E402
from ivm.robotics.network import PolicyConfig, PolicyNetwork, chunk_loss, spatial_softmax  # noqa: E402
from ivm.robotics.policy import Policy  # noqa: E402
from ivm.robotics.recipe import Arm, make_recipe  # noqa: E402

TASKS = ["pick up the red cup", "pick up the blue cup"]
SMALL = {"width": 8, "blocks": 1, "words": 8, "hidden": 16, "chunk": 2}


def toy_frames(count=64):
    """A red and a blue square; the action is the column of the one that is asked for."""
    rng = np.random.default_rng(0)
    pictures = np.full((count, 16, 16, 3), 60, np.uint8)
    columns, task = rng.integers(0, 12, (count, 2)), rng.integers(0, 2, count)
    for picture, (red, blue) in zip(pictures, columns, strict=True):
        picture[2:6, red : red + 4] = (255, 0, 0)
        picture[9:13, blue : blue + 4] = (0, 0, 255)
    chunks = np.zeros((count, 2, 4), np.float32)
    chunks[:, :, 0] = (columns[np.arange(count), task] / 12 * 2 - 1)[:, None]
    chunks[:, :, 3] = np.where(task, 1, -1)[:, None]
    there = np.ones((count, 2), np.float32)
    states = np.zeros((count, 5), np.float32)
    return Frames(pictures, np.ones((count, 16, 16), np.bool_), states, chunks, there, token_batch(TASKS), task)


def recipe(**changes):
    return make_recipe({"picture": 16, "steps": 8, "batch": 8, "save_every": 4, "network": SMALL, **changes})


def test_a_policy_learns_to_go_where_the_words_say(tmp_path):
    frames = toy_frames(200)
    path = train_policy(frames, recipe(steps=500, batch=32), Arm(name="plain"), 1, tmp_path / "p.pt")
    policy = Policy.load(path)
    far, grip = [], []
    for picture, chunk, task in zip(frames.pictures[:60], frames.chunks, frames.task, strict=False):
        policy.reset()
        action = policy.act(picture, np.zeros(5, np.float32), TASKS[task])
        far.append(abs(action[0] - chunk[0, 0]))
        grip.append((action[3] > 0) == (chunk[0, 3] > 0))
    assert np.mean(far) < 0.3, "a blind guess is 0.5 off"
    assert np.mean(grip) > 0.9


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path):
    class Interrupt(Exception):
        pass

    def stop(done, total):
        if done == 6:
            raise Interrupt

    frames, arm = toy_frames(), Arm(name="plain", augment=True)
    whole = Policy.load(train_policy(frames, recipe(), arm, 3, tmp_path / "whole.pt"))
    with pytest.raises(Interrupt):
        train_policy(frames, recipe(), arm, 3, tmp_path / "parts.pt", progress=stop)
    seen = []
    resumed = Policy.load(
        train_policy(frames, recipe(), arm, 3, tmp_path / "parts.pt", progress=lambda done, total: seen.append(done))
    )
    assert seen == [5, 6, 7, 8]
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.pt", "whole.pt"]


def test_a_finished_policy_is_kept_and_another_recipes_is_refused(tmp_path):
    frames, arm = toy_frames(), Arm(name="plain")
    path = train_policy(frames, recipe(), arm, 0, tmp_path / "p.pt")
    before = path.stat().st_mtime_ns
    train_policy(frames, recipe(), arm, 0, path)
    assert path.stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match="another recipe"):
        train_policy(frames, recipe(steps=9), arm, 0, path)


def test_a_chunk_is_executed_before_the_policy_looks_again():
    torch.manual_seed(0)
    policy = Policy(PolicyNetwork(PolicyConfig(**SMALL)), picture=16, execute=2)
    dark, bright = (np.full((20, 20, 3), value, np.uint8) for value in (0, 255))
    state = np.zeros(5, np.float32)
    first, second = policy.act(dark, state, TASKS[0]), policy.act(bright, state, TASKS[0])
    policy.reset()
    again = [policy.act(picture, state, TASKS[0]) for picture in (dark, dark)]
    np.testing.assert_array_equal([first, second], again)
    policy.reset()
    assert not np.array_equal(policy.act(bright, state, TASKS[0]), first)
    with pytest.raises(OptionError, match="3 channels"):
        Policy(policy.network, 16).act(np.zeros((8, 8, 4), np.uint8), state, TASKS[0])


def test_words_change_what_is_seen():
    torch.manual_seed(0)
    network = PolicyNetwork(PolicyConfig(**SMALL)).eval()
    image, state = torch.rand(1, 3, 16, 16), torch.zeros(1, 5)
    outs = [network(image, state, torch.from_numpy(token_batch([task]))) for task in TASKS]
    assert outs[0].shape == (1, 2, 4)
    assert not torch.allclose(outs[0], outs[1])
    both = network(
        image.expand(2, -1, -1, -1), state.expand(2, -1), torch.from_numpy(token_batch([TASKS[0], "the cup"]))
    )
    torch.testing.assert_close(both[:1], outs[0], msg="padding of shorter instructions changes nothing")


def test_a_spatial_softmax_says_where():
    peak = torch.full((1, 2, 5, 5), -50.0)
    peak[0, 0, 0, 4] = peak[0, 1, 2, 2] = 50
    torch.testing.assert_close(spatial_softmax(peak), torch.tensor([[1.0, 0.0, -1.0, 0.0]]))


def test_the_loss_counts_only_what_is_there():
    out, wanted = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    wanted[0, 1, :3] = 100
    out[0, 0, 3], wanted[0, 0, 3] = 50, 1
    assert chunk_loss(out, wanted, torch.tensor([[1.0, 0.0]])) == pytest.approx(0)
    assert chunk_loss(out, wanted, torch.ones(1, 2)) > 10


def test_only_tables_are_painted():
    pictures = np.full((40, 8, 8, 3), 0.5, np.float32)
    table = np.zeros((40, 8, 8), np.bool_)
    table[:, :4] = True
    paint_tables(pictures, table, np.random.default_rng(0))
    assert (pictures[:, 4:] == 0.5).all()
    changed = (pictures[:, :4] != 0.5).any(axis=(1, 2, 3))
    assert 20 < changed.sum() < 40
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_damaged_checkpoints_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="no policy"):
        Policy.load(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="damaged"):
        Policy.load(tmp_path / "bad.pt")
    torch.save({"format": "other"}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no policy of this project"):
        Policy.load(tmp_path / "other.pt")
    good = Policy(PolicyNetwork(PolicyConfig(**SMALL)), 16)
    good.save(tmp_path / "good.pt")
    kept = torch.load(tmp_path / "good.pt", weights_only=True)
    del kept["weights"]["head.0.weight"]
    torch.save(kept, tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match="does not fit"):
        Policy.load(tmp_path / "less.pt")
