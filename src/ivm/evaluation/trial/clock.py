"""How long the stages of a trial took, each alone and all together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds of wall time."""

    mask_s: float
    """While the mask model read pictures and answered."""
    render_s: float
    """Rendering, summed over all threads."""
    answer_s: float
    """While at least one question was on its way to the LMM."""
    total_s: float = 0.0

    @property
    def ratio(self) -> float | None:
        """The whole over masking and answering one after the other; below 1 where they overlap."""
        apart = self.mask_s + self.answer_s
        return self.total_s / apart if apart else None


class Clock:
    """Counts the time of stages that run in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mask = self._render = self._answer = 0.0
        self._asking = 0
        self._since = 0.0

    @contextlib.contextmanager
    def masking(self) -> Iterator[None]:
        """Count a stage of the mask model."""
        begun = time.perf_counter()
        yield
        with self._lock:
            self._mask += time.perf_counter() - begun

    @contextlib.contextmanager
    def rendering(self) -> Iterator[None]:
        """Count the rendering of one arm."""
        begun = time.perf_counter()
        yield
        with self._lock:
            self._render += time.perf_counter() - begun

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Count the time while anything is asked; what overlaps counts once."""
        with self._lock:
            if self._asking == 0:
                self._since = time.perf_counter()
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                if self._asking == 0:
                    self._answer += time.perf_counter() - self._since

    def times(self) -> Times:
        """What was counted so far."""
        with self._lock:
            return Times(mask_s=self._mask, render_s=self._render, answer_s=self._answer)
