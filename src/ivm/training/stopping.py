"""Ctrl-C and SIGTERM end a training run between two steps, in all its processes, with a checkpoint of that step.

An exception out of a signal handler surfaces wherever Python happens to be: in the middle of a checkpoint, or inside a
compiled function, which makes a SystemError of it. So the handlers only take a note, and plain code looks at it. A
second signal breaks in; where the main thread hears nothing, because it waits for another process in a collective
operation, a thread beside it ends the process.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist

TERMINATED = 143
"""Exit status of a process that SIGTERM ended in good order."""

NUMBERS = (signal.SIGINT, signal.SIGTERM)
GRACE = 5.0
"""Seconds that the main thread has to end by itself after a second signal."""


class Signals:
    """Notes SIGINT and SIGTERM while it is entered; a second one breaks in at once.

    Args:
        at_once: called before the second one breaks in, to end what the run would wait for.

    Attributes:
        received: number of the first signal, 0 before it.
        again: whether a second one has come.
    """

    def __init__(self, at_once: Callable[[], None] = lambda: None) -> None:
        self.received = 0
        self.again = False
        self._at_once = at_once
        self._process = os.getpid()
        self._over = threading.Event()

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in NUMBERS}
            self._heard, self._wakes = socket.socketpair()
            self._wakes.setblocking(False)
            self._older = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
            os.register_at_fork(after_in_child=self._leave_to_parent)
            threading.Thread(target=self._watch, daemon=True).start()
            self.listen()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(self._older)
            self._wakes.close()  # which ends the thread
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Put the handlers in place, and again after someone else has put theirs; a thread cannot, and need not."""
        if threading.current_thread() is threading.main_thread():
            for number in NUMBERS:
                signal.signal(number, self._note)

    def _watch(self) -> None:
        """End the process after the second signal, if nothing else does."""
        count = 0
        with self._heard:
            while told := self._heard.recv(64):
                count += sum(number in NUMBERS for number in told)
                if count > 1 and not self._over.wait(GRACE):
                    self._at_once()
                    os.write(2, b"error: ended at once: run the same command again to go on from the last checkpoint\n")
                    os._exit(128 + next(number for number in reversed(told) if number in NUMBERS))

    def _leave_to_parent(self) -> None:
        if not self._over.is_set():
            signal.set_wakeup_fd(-1)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a worker that was forked from the run, which ends it
        if not self.received:
            self.received = number
            return
        self.again = True
        self._at_once()
        raise interruption(number)


def ignore_signals(worker: int = 0) -> None:
    """Let a worker process run on after Ctrl-C or SIGTERM to all of them: the process that started it ends it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)


def interruption(number: int) -> BaseException:
    """Return the exception by which a run ends after signal `number`."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(TERMINATED)


class StopBetweenSteps(pl.Callback):
    """End the run after the step in which any of its processes got a signal.

    Args:
        signals: of this process.
        last: path of the checkpoint that is written before the end.
    """

    def __init__(self, signals: Signals, last: Path) -> None:
        self.signals, self.last = signals, last
        self.group: Any = None

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Choose how processes agree."""
        if trainer.world_size > 1 and dist.get_backend() != "gloo":
            self.group = dist.new_group(backend="gloo")  # so that no step waits for the GPU to learn of a signal

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take the handlers back from Lightning, whose own talk to other processes in the middle of anything.

        Raises:
            KeyboardInterrupt: Ctrl-C came before the first step.
            SystemExit: SIGTERM did.
        """
        self.signals.listen()
        if number := self._agreed(trainer):
            raise interruption(number)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and end, between two steps of the optimiser, so that nothing is lost; the last step ends by itself.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: SIGTERM.
        """
        between = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if between and trainer.global_step < trainer.max_steps and (number := self._agreed(trainer)):
            trainer.save_checkpoint(self.last)
            raise interruption(number)

    def _agreed(self, trainer: pl.Trainer) -> int:
        """The signal that any process has got, the same in all of them, or 0."""
        if trainer.world_size == 1:
            return self.signals.received
        number = torch.tensor(self.signals.received)
        dist.all_reduce(number, dist.ReduceOp.MAX, group=self.group)
        return int(number)
