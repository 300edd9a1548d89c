"""The streaming core: encode once, follow, re-ask, never wait too long; no simulator, no network."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from fake_models import RedModel
from ivm.core.errors import InstructionError, ModelError, OptionError
from ivm.core.model import Prediction
from ivm.inference.zoo import EMBEDDED
from ivm.robotics.stream import MaskStream


def frame(red_at, size=32):
    image = np.random.default_rng(0).integers(80, 100, (size, size, 3)).astype(np.uint8)
    image[12:20, red_at : red_at + 8] = (250, 10, 10)
    return image


def until(true, seconds=60):
    """Whether something comes true, asked again and again."""
    end = time.monotonic() + seconds
    while not (came := true()) and time.monotonic() < end:
        time.sleep(0.01)
    return came


class Held(RedModel):
    """Answers when it is let go: as slow as the test wants, without a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def encode(self, images):
        self.go.wait(60)
        return super().encode(images)


class Breaks(RedModel):
    def encode(self, images):
        raise RuntimeError("out of cheese")


def test_a_frame_in_n_is_asked_and_encoded_once():
    model = RedModel()
    with MaskStream(model, every=3, deadline=None, robot="the robot arm") as stream:
        stream.reset("the red cup")
        kept = [stream(frame(4 + i)) for i in range(7)]
    assert model.encoded == [1, 1, 1]
    assert model.asked == [["the red cup", "the robot arm"]] * 3
    assert [one.fresh for one in kept] == [True, False, False, True, False, False, True]
    assert (stream.counts.frames, stream.counts.asked, stream.counts.tracked) == (7, 3, 4)
    assert stream.counts.late == stream.counts.whole == 0


def test_between_questions_the_mask_follows_what_moves():
    def table(x):
        image = cv2.GaussianBlur(np.random.default_rng(0).integers(60, 120, (128, 128, 3)).astype(np.uint8), (0, 0), 2)
        image[50:90, x : x + 40] = (250, 10, 10)
        image[60:80, x + 10 : x + 30, 1] = 120
        return image

    with MaskStream(RedModel(), every=100, deadline=None) as stream:
        stream.reset("the red cup")
        for x in (40, 44, 48, 52, 56):
            kept = stream(table(x))
    red = np.zeros((128, 128), np.bool_)
    red[50:90, 56:96] = True
    mask = kept.soft > 0.5
    assert (mask & red).sum() / (mask | red).sum() > 0.8
    assert not kept.fresh


def test_a_slow_model_never_holds_an_action_up():
    """It never answers within the deadline: each call comes back all the same, and what happened is counted."""
    model = Held()
    with MaskStream(model, every=2, deadline=0.01) as stream:
        stream.reset("the red cup")
        kept = [stream(frame(4)) for _ in range(6)]
        assert all(one.kept_whole for one in kept), "nothing is known yet"
        assert (stream.counts.asked, stream.counts.late, stream.counts.whole) == (1, 1, 6)
        model.go.set()
        assert until(lambda: not stream(frame(4)).kept_whole), "the answer that came late is used"


def test_the_last_mask_is_reused_while_the_model_is_late():
    model = Held()
    model.go.set()
    with MaskStream(model, every=1, deadline=30) as stream:
        stream.reset("the red cup")
        assert stream(frame(4)).fresh
        model.go.clear()
        stream.deadline = 0.0
        kept = [stream(frame(4)) for _ in range(3)]
        model.go.set()
    assert not any(one.kept_whole or one.fresh for one in kept)
    assert stream.counts.late == 1
    assert stream.counts.tracked == 3


def test_an_answer_of_the_last_episode_is_not_used():
    model = Held()
    with MaskStream(model, every=1, deadline=0.0) as stream:
        stream.reset("the red cup")
        stream(frame(4))
        stream.reset("nothing at all")
        model.go.set()
        stream.deadline = 30
        assert until(lambda: stream(frame(4)).kept_whole and len(model.asked) > 1)
        assert stream(frame(4)).kept_whole
        assert model.asked[-1] == ["nothing at all"]


def test_nothing_found_keeps_the_whole_picture_after_patience():
    model = RedModel()
    blank = np.full((32, 32, 3), 90, np.uint8)
    with MaskStream(model, every=1, deadline=None, patience=2) as stream:
        stream.reset("the red cup")
        assert not stream(frame(4)).kept_whole
        states = [stream(blank).kept_whole for _ in range(3)]
    assert states[1:] == [True, True]
    assert stream.counts.whole >= 2
    with MaskStream(model, deadline=None) as stream:
        stream.reset("nothing")
        assert stream(frame(4)).kept_whole


def test_the_robot_stays_visible():
    robot = np.zeros((32, 32), np.bool_)
    robot[:5] = True
    with MaskStream(RedModel(), deadline=None, robot=robot) as fixed, MaskStream(RedModel(), deadline=None) as told:
        for stream, extra in ((fixed, {}), (told, {"robot": robot})):
            stream.reset("the red cup")
            kept = stream(frame(4), **extra).soft > 0.5
            assert kept[:5].all()
            assert kept[12:20, 4:12].all()
            assert not kept[25:].any()


def test_what_breaks_in_the_model_is_raised_to_the_caller():
    with MaskStream(Breaks(), deadline=None) as stream:
        stream.reset("the red cup")
        with pytest.raises(ModelError, match="out of cheese"):
            stream(frame(4))


def test_a_model_that_breaks_its_contract_is_found_out():
    class Wrong(RedModel):
        def predict(self, features, instructions):
            return Prediction([np.zeros((2, 2), np.float32)] * 5, np.zeros(5, np.float32))

    with MaskStream(Wrong(), deadline=None) as stream:
        stream.reset("the red cup")
        with pytest.raises(ModelError, match="5 maps"):
            stream(frame(4))


def test_mistakes_are_named():
    with MaskStream(RedModel(), deadline=None) as stream:
        with pytest.raises(OptionError, match="reset"):
            stream(frame(4))
        with pytest.raises(InstructionError):
            stream.reset("  ")
        stream.reset("the red cup")
        stream(frame(4))
        with pytest.raises(OptionError, match=r"64.*32"):
            stream(frame(4, size=64))
        with pytest.raises(OptionError, match="robot"):
            stream(frame(4), robot=np.zeros((4, 4), np.bool_))
        with pytest.raises(OptionError, match="uint8"):
            stream(frame(4).astype(np.float32))
    for bad in ({"every": 0}, {"deadline": -1.0}, {"patience": 0}):
        with pytest.raises(OptionError):
            MaskStream(RedModel(), **bad)


@pytest.mark.skipif(not (EMBEDDED / "ivm-nano" / "model.json").is_file(), reason="ivm-nano's weights are not here")
def test_a_process_may_end_while_the_model_is_at_work():
    code = """if True:
        import numpy as np, ivm
        from ivm.robotics.stream import MaskStream
        stream = MaskStream(ivm.load().model, deadline=0)
        stream.reset("the red cup")
        stream(np.full((480, 640, 3), 128, np.uint8))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
