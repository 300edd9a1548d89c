import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from ivm.core.errors import TrainingError
from ivm.training.processes import Others
from ivm.training.recipe import NanoRecipe
from ivm.training.run import train
from ivm.training.stopping import Signals, interruption
from signalled_run import Signalled, SignalledRecipe
from tiny_run import TINY_RECIPE

RECIPE = NanoRecipe(**TINY_RECIPE)


class Terminated(Signalled):
    number = signal.SIGTERM


@dataclasses.dataclass(frozen=True, kw_only=True)
class TerminatedRecipe(NanoRecipe):
    def stream(self, rank=0, world=1):
        return Terminated(seed=self.seed, rank=rank, world=world, **self.data)


def checkpoint(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of a run of four steps that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    train(RECIPE, folder, progress=False)
    return checkpoint(folder)["state_dict"]


@pytest.mark.parametrize(
    ("recipe", "expected"), [(SignalledRecipe, KeyboardInterrupt), (TerminatedRecipe, SystemExit)], ids=str
)
def test_a_signal_saves_the_step_in_work_and_the_run_goes_on_to_the_same_weights(tmp_path, whole, recipe, expected):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(expected) as caught:
        train(recipe(**TINY_RECIPE), tmp_path, progress=False)
    assert caught.type is KeyboardInterrupt or caught.value.code == 143
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert checkpoint(tmp_path)["global_step"] in (2, 3)  # Lightning may fetch a batch ahead
    assert [path.name for path in tmp_path.rglob("*.part")] == []
    train(RECIPE, tmp_path, progress=False)
    torch.testing.assert_close(checkpoint(tmp_path)["state_dict"], whole, atol=1e-6, rtol=0)


def test_the_first_signal_is_noted_and_the_second_breaks_in():
    ended = []
    with Signals(at_once=lambda: ended.append(True)) as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        assert not ended
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.again
        assert ended


def test_a_thread_that_trains_leaves_the_handlers_alone():
    before = signal.getsignal(signal.SIGINT)
    found = []

    def inside():
        with Signals():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [before]


DEAF = """
import ctypes, os, signal, threading
from ivm.training import stopping
stopping.GRACE = 0.1
with stopping.Signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping.NUMBERS)  # the other threads get them
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    ctypes.CDLL(None).sleep(200)
"""


def test_two_signals_end_a_process_whose_main_thread_hears_nothing():
    done = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=180)
    assert done.returncode == 143, done.stderr
    assert done.stderr.startswith("error: ended at once")


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_each_signal_has_its_exception(number, expected):
    assert type(interruption(number)) is expected


def test_another_process_that_fails_is_heard(tmp_path):
    others = Others({"model": "nano", "recipe": {"steps": 0}, "output": str(tmp_path)}, 2)
    with others.together():
        while (failed := others.failed()) is None:
            time.sleep(0.05)
        assert isinstance(failed, TrainingError)
        assert "Training process 1 has failed: The recipe's steps must be" in str(failed)
    assert "LOCAL_RANK" not in os.environ
