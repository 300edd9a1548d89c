"""A thread in which a model answers about one frame at a time, so that a control loop need not wait for it."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError, ModelError
from ivm.core.model import Heatmap, MaskModel, RGBImage
from ivm.inference.seam import Answer, ask, encode
from ivm.masking.heatmap import sigmoid, upsample_logits


@dataclass(frozen=True)
class Told:
    """The model's answer about a frame; `soft` is None where it found nothing."""

    frame: int
    view: NDArray[np.uint8]
    soft: Heatmap | None
    robot: Heatmap | None


_PATIENCE_AT_EXIT = 60.0
"""Seconds that the end of Python waits for a model at work."""

_Work = tuple[int, int, RGBImage, NDArray[np.uint8], Sequence[str]]


class Worker:
    """One thread in which the model answers about one frame at a time."""

    def __init__(self, model: MaskModel, threshold: float) -> None:
        self._model, self._threshold = model, threshold
        self._changed = threading.Condition()
        self._work: _Work | None = None
        self._busy = self._closed = False
        self._answer: tuple[int, Told | IvmError] | None = None
        self._thread = threading.Thread(target=self._run, name="ivm-mask-stream", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def give(self, work: _Work) -> bool:
        """Hand over a frame, unless one is in work; an answer that nobody took is dropped."""
        with self._changed:
            if self._busy:
                return False
            self._work, self._busy, self._answer = work, True, None
            self._changed.notify_all()
            return True

    def take(self, episode: int, seconds: float | None) -> Told | None:
        """Return the answer, waiting for it at most that long; answers of earlier episodes are dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or not self._busy, seconds)
            if self._answer is None:
                return None
            (of, told), self._answer = self._answer, None
        if of != episode:
            return None
        if isinstance(told, IvmError):
            raise told
        return told

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _end(self) -> None:
        """Wait for the frame in work when Python ends: a thread that is ended inside native code aborts the process."""
        self.close()
        self._thread.join(_PATIENCE_AT_EXIT)

    def _run(self) -> None:
        try:
            self._answer_frames()
        finally:
            atexit.unregister(self._end)

    def _answer_frames(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work is not None or self._closed)
                if self._closed or self._work is None:
                    return
                work, self._work = self._work, None
            answer = self._told(work)
            with self._changed:
                self._answer, self._busy = (work[0], answer), False
                self._changed.notify_all()

    def _told(self, work: _Work) -> Told | IvmError:
        _, number, frame, view, questions = work
        try:
            features = encode(self._model, [frame])[0]
            answers = ask(self._model, [features] * len(questions), list(questions))
        except IvmError as error:
            return error
        except Exception as error:  # whatever a user's own model raises: it belongs to the caller, not to this thread
            return ModelError(f"The model {self._model.name} failed: {type(error).__name__}: {error}")
        found: list[Any] = []
        for one in answers:
            if not isinstance(one, Answer):
                return one
            soft = sigmoid(upsample_logits(one.logits, *frame.shape[:2]))
            found.append(soft if one.presence >= 0.5 and (soft > self._threshold).any() else None)
        return Told(number, view, found[0], found[1] if len(found) > 1 else None)
