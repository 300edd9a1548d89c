"""The one thread in which a model works: it takes what waits together, and answers each caller by himself."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple

from ivm.core.errors import ModelError, ModelMemoryError
from ivm.core.model import MaskModel, RGBImage
from ivm.inference.seam import Answer, ask, encode


class Encoded(NamedTuple):
    """A picture that the model has read, to be asked about."""

    image: RGBImage
    """(H, W, 3) uint8 RGB, read-only."""
    features: Any
    """What `MaskModel.encode` gave; only that model knows what is in it."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds, as far as arrays and tensors tell."""
        return self.image.nbytes + nbytes_of(self.features)


class Answered(NamedTuple):
    """What came of one job."""

    encoded: Encoded
    answers: list[Answer]
    """One per instruction, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A picture, encoded or not, and what is asked about it; without an instruction it is encoded only."""

    picture: RGBImage | Encoded
    instructions: Sequence[str]
    """As `check_instruction` returned them."""
    arrived: float = field(default_factory=time.monotonic)
    future: Future[Answered] = field(default_factory=Future)

    @property
    def weight(self) -> int:
        """How much of a batch it takes: its questions, or 1 for the picture alone."""
        return max(1, len(self.instructions))


class Batcher:
    """Runs a model in a thread of its own, on as many jobs at once as wait, up to a limit.

    A job that finds the model idle is taken at once, unless `expected` says that more is on its way: then the batch
    stays open until `max_delay` after its first job arrived. While the model works, jobs gather for the next batch.
    A job whose future was cancelled is left out.
    """

    def __init__(
        self,
        model: MaskModel,
        *,
        max_batch: int = 16,
        max_delay: float = 0.005,
        expected: Callable[[], int] = lambda: 0,
        observe: Callable[[int, float], None] = lambda weight, seconds: None,
    ) -> None:
        """Prepare the thread; `start` starts it.

        Args:
            model: asked by that thread only.
            max_batch: questions of a batch, at most; one job with more is a batch by itself.
            max_delay: seconds that a batch stays open for more.
            expected: how many jobs all callers together may have here or on the way.
            observe: told the weight of each batch and the seconds it took.
        """
        self.model = model
        self._max_batch = max_batch
        self._max_delay = max_delay
        self._expected = expected
        self._observe = observe
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._next: Job | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="ivm-model", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end after all jobs that were submitted before, and wait for it."""
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs that no batch has taken yet, about."""
        return self._jobs.qsize()

    def submit(self, job: Job) -> Future[Answered]:
        """Hand in a job; its future brings the answers, or the `ModelError` of this job alone."""
        self._jobs.put(job)
        return job.future

    def _work(self) -> None:
        while jobs := self._collect():
            if running := [job for job in jobs if job.future.set_running_or_notify_cancel()]:
                self._answer(running)

    def _collect(self) -> list[Job]:
        """Wait for a job and take those that come with it; empty when it is time to stop."""
        first = self._next or (None if self._stopped else self._jobs.get())
        self._next = None
        if first is None:
            return []
        jobs, weight, closes = [first], first.weight, first.arrived + self._max_delay
        while weight < self._max_batch and not self._stopped:
            try:
                left = closes - time.monotonic()
                more = left > 0 and len(jobs) < self._expected()
                job = self._jobs.get(timeout=left) if more else self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._stopped = True
            elif weight + job.weight > self._max_batch:
                self._next = job
                break
            else:
                jobs.append(job)
                weight += job.weight
        return jobs

    def _answer(self, jobs: list[Job]) -> None:
        """Answer all at once or, where the model fails on the whole, one by one, so that only the bad one fails."""
        started = time.monotonic()
        try:
            answered = _run(self.model, jobs)
        except MemoryError as error:
            reason = f"The model {self.model.name} ran out of memory: {error or 'ask for less'}"
            self._fail(jobs, ModelMemoryError(reason))
        except Exception as error:
            self._fail(jobs, error)
        else:
            # Before anyone has his answer, so that who has one finds it counted.
            self._observe(sum(job.weight for job in jobs), time.monotonic() - started)
            for job, done in zip(jobs, answered, strict=True):
                if isinstance(done, ModelError):
                    job.future.set_exception(done)
                else:
                    job.future.set_result(done)

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            self._answer([job])


def _run(model: MaskModel, jobs: list[Job]) -> list[Answered | ModelError]:
    # One array may come in several jobs; it is encoded once.
    images = {id(job.picture): job.picture for job in jobs if not isinstance(job.picture, Encoded)}
    features = encode(model, list(images.values())) if images else []
    fresh = {key: Encoded(image, one) for (key, image), one in zip(images.items(), features, strict=True)}
    encoded = [job.picture if isinstance(job.picture, Encoded) else fresh[id(job.picture)] for job in jobs]
    asked = [(one.features, text) for one, job in zip(encoded, jobs, strict=True) for text in job.instructions]
    answers = iter(ask(model, [one for one, _ in asked], [text for _, text in asked]) if asked else [])
    done: list[Answered | ModelError] = []
    for one, job in zip(encoded, jobs, strict=True):
        own = [next(answers) for _ in job.instructions]
        bad = next((answer for answer in own if isinstance(answer, ModelError)), None)
        done.append(bad or Answered(one, [answer for answer in own if isinstance(answer, Answer)]))
    return done


def nbytes_of(thing: Any) -> int:
    """Bytes of the arrays and tensors in a structure of tuples, lists, dicts, dataclasses and plain objects."""
    if (size := getattr(thing, "nbytes", None)) is not None:
        return int(size)
    if isinstance(thing, dict):
        return sum(map(nbytes_of, thing.values()))
    if isinstance(thing, list | tuple):
        return sum(map(nbytes_of, thing))
    if is_dataclass(thing) and not isinstance(thing, type):  # one with slots has no __dict__
        return sum(nbytes_of(getattr(thing, one.name)) for one in fields(thing))
    inside = getattr(thing, "__dict__", None)
    return nbytes_of(inside) if isinstance(inside, dict) else 0
