"""Runs a trial: masks are made while the model answers, nothing is asked twice, nothing is lost."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ivm.core.errors import BudgetError, ImageError, IvmError, LmmAnswerError, LmmError
from ivm.data.journal import Journal
from ivm.evaluation.suites.item import VisualQuestion
from ivm.evaluation.suites.opening import Suite
from ivm.evaluation.trial.answering import Answerer, Reply
from ivm.evaluation.trial.clock import Clock, Times
from ivm.evaluation.trial.marking import Marked, State, mark, prompt_of, score_of
from ivm.evaluation.trial.masking import Masked, Masking, other_instructions
from ivm.evaluation.trial.variants import Arm

VERSION = 1
"""Of prompts, marking and rendering: raised when they change, so that old answers are not taken for new ones."""

GIVE_UP = 8
"""Questions in a row that a server fails or refuses, each after the client's own retries, until it counts as gone."""

LONGEST_REPLY = 2000
"""Characters of a reply that are kept."""

_SETTLED = ("answered", "malformed", "empty", "refused")
"""States that are kept: all others are tried again in the next run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one question in one arm."""

    question: str
    """Its id."""
    arm: str
    state: State
    score: float
    said: str = ""
    reply: str = ""
    message: str = ""
    """Why it was not answered."""
    checksum: str = ""
    """Of its picture, see `Masked`."""
    coverage: float = 1.0
    """Share of the picture that the mask keeps, before it is grown; 1 where it is kept whole."""
    kept_whole: bool = False
    pixels: int = 0
    """That were sent."""
    latency_s: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """A trial that has run."""

    outcomes: tuple[Outcome, ...]
    """Of every question in every arm, in the order of the benchmark."""
    times: Times
    """Of this run alone."""
    taken: int
    """How many outcomes are from earlier runs."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """All that decides the outcomes.

    Attributes:
        suite: what is asked.
        arms: how; the first is "raw".
        masking: makes the masks.
        answerer: answers.
        likelihood: rank options by the likelihood of their letters, instead of reading replies.
        concurrency: questions on their way at once.
        mask_model: what tells the mask model's weights apart, in JSON's types.
    """

    suite: Suite
    arms: Sequence[Arm]
    masking: Masking
    answerer: Answerer
    likelihood: bool = False
    concurrency: int = 8
    mask_model: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """All that the outcomes depend on; a journal of another description is not taken."""
        return {
            "trial": VERSION,
            "suite": self.suite.name,
            "questions": self.suite.checksum,
            "arms": [arm.name for arm in self.arms],
            "mask_model": self.mask_model,
            "threshold": self.masking.threshold,
            "style": dict(self.masking.style),
            "seed": self.masking.seed,
            "likelihood": self.likelihood,
            "answerer": dict(self.answerer.about),
        }

    def asked_of(self, question: VisualQuestion) -> list[Arm]:
        """The arms in which a question is asked: without boxes it has no oracle."""
        return [arm for arm in self.arms if arm.mask != "oracle" or question.boxes]

    def run(self, folder: Path | None = None, told: Callable[[Outcome], None] = lambda outcome: None) -> Ran:
        """Ask; what an earlier run with these settings has settled is taken from the folder.

        Args:
            folder: keeps what was settled, so that a run that was killed goes on; None keeps nothing.
            told: called with each outcome, those of an earlier run first.

        Raises:
            OutputError: the folder cannot be written, or another run writes there.
        """
        if folder is None:
            return self._run(None, told)
        described = self.describe()
        name = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
        with Journal(folder / f"trial-{name}.jsonl", described) as journal:
            return self._run(journal, told)

    def _run(self, journal: Journal | None, told: Callable[[Outcome], None]) -> Ran:
        begun = time.perf_counter()
        outcomes: dict[int, Outcome] = {}

        def take(number: int, outcome: Outcome) -> None:
            outcomes[number] = outcome
            told(outcome)

        for number in sorted(journal.done) if journal else ():
            assert journal is not None
            take(number, Outcome(**journal.entry(number)))
        taken = len(outcomes)
        work = _Work(self, frozenset(outcomes))
        work.start()
        try:
            for number, outcome in work.outcomes():
                if journal and outcome.state in _SETTLED:
                    journal.write(number, asdict(outcome))
                take(number, outcome)
        except BaseException:
            work.stop(wait=False)
            raise
        work.stop()
        times = replace(work.clock.times(), total_s=time.perf_counter() - begun)
        return Ran(outcomes=tuple(outcomes[number] for number in sorted(outcomes)), times=times, taken=taken)

    def part_of(self, question: int, arm: Arm) -> int:
        """Number of a question's arm in the journal."""
        return question * len(self.arms) + list(self.arms).index(arm)


class _Work:
    """One run: a thread that masks and hands on, threads that render and ask, and a queue of what came of it."""

    def __init__(self, trial: Trial, done: frozenset[int]) -> None:
        self.trial, self.clock = trial, Clock()
        self._left = [
            (number, question, arms)
            for number, question in enumerate(trial.suite.questions)
            if (arms := [arm for arm in trial.asked_of(question) if trial.part_of(number, arm) not in done])
        ]
        self._ready: queue.Queue[tuple[int, Outcome] | BaseException] = queue.Queue()
        self._stop = threading.Event()
        self._why = ""
        self._failed_in_row = 0
        # Twice as many as are asked at once: enough to hide the masking, few enough that pictures fit into memory.
        self._room = threading.Semaphore(2 * trial.concurrency)
        self._pool = ThreadPoolExecutor(trial.concurrency, thread_name_prefix="ivm-ask")
        self._feeder = threading.Thread(target=self._feed, name="ivm-mask", daemon=True)

    def start(self) -> None:
        self._feeder.start()

    def stop(self, wait: bool = True) -> None:
        """End; without waiting for questions on their way, which end when their answerer is closed."""
        self._stop.set()
        self._room.release(2 * self.trial.concurrency)
        self._feeder.join()
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def outcomes(self) -> Generator[tuple[int, Outcome], None, None]:
        for _ in range(sum(len(arms) for _, _, arms in self._left)):
            item = self._ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item

    def _feed(self) -> None:
        """Mask question after question; runs in a thread of its own, beside those that ask."""
        try:
            others = other_instructions(self.trial.suite.questions, self.trial.masking.seed)
            for number, question, arms in self._left:
                if self._stop.is_set():
                    return
                if self._why:
                    self._report(number, question, arms, "unasked", self._why)
                    continue
                try:
                    with self.clock.masking():
                        masked = self.trial.masking.mask(question, others[number], arms)
                except ImageError as error:
                    self._report(number, question, arms, "no-picture", str(error))
                    continue
                for arm in arms:
                    self._room.acquire()
                    if self._stop.is_set():
                        return
                    self._pool.submit(self._answer, number, question, arm, masked).add_done_callback(self._taken)
        except BaseException as error:
            self._ready.put(error)

    def _report(self, number: int, question: VisualQuestion, arms: Sequence[Arm], state: State, why: str) -> None:
        for arm in arms:
            outcome = Outcome(question=question.id, arm=arm.name, state=state, score=0.0, message=why)
            self._ready.put((self.trial.part_of(number, arm), outcome))

    def _taken(self, future: Future[None]) -> None:
        self._room.release()
        if not future.cancelled() and (error := future.exception()) is not None:
            self._ready.put(error)

    def _answer(self, number: int, question: VisualQuestion, arm: Arm, masked: Masked) -> None:
        """Render, ask and mark; runs in one of several threads."""
        outcome = self._outcome(question, arm, masked)
        self._ready.put((self.trial.part_of(number, arm), outcome))

    def _outcome(self, question: VisualQuestion, arm: Arm, masked: Masked) -> Outcome:
        base = Outcome(question=question.id, arm=arm.name, state="unasked", score=0.0, checksum=masked.checksum)
        if self._why:
            return replace(base, message=self._why)
        try:
            with self.clock.rendering():
                pictures = masked.pictures(arm)
                result = masked.result(arm)
        except IvmError as error:
            return replace(base, state="no-mask", message=str(error))
        whole = arm.view == "raw" or result.kept_whole
        base = replace(
            base,
            coverage=1.0 if whole else result.coverage,
            kept_whole=whole,
            pixels=sum(one.shape[0] * one.shape[1] for one in pictures),
        )
        letters = question.letters if self.trial.likelihood else ""
        try:
            with self.clock.answering():
                reply = self.trial.answerer.ask(pictures, prompt_of(question), letters)
        except BudgetError as error:
            self._why = str(error)
            return replace(base, message=self._why)
        except LmmError as error:
            self._count_failure(error)
            return replace(base, state="failed", message=str(error))
        self._failed_in_row = 0
        marked = _marked(question, reply, letters)
        return replace(
            base,
            state=marked.state,
            score=marked.score,
            said=marked.said,
            reply=reply.text[:LONGEST_REPLY],
            latency_s=reply.latency_s,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cached=reply.cached,
        )

    def _count_failure(self, error: LmmError) -> None:
        if isinstance(error, LmmAnswerError):
            return
        self._failed_in_row += 1
        if self._failed_in_row >= GIVE_UP and not self._why:
            self._why = f"the server failed {GIVE_UP} questions in a row, at last: {error}"


def _marked(question: VisualQuestion, reply: Reply, letters: str) -> Marked:
    """Mark a reply by its words, or by the likeliest letter."""
    if not letters:
        return mark(question, reply.text, reply.refused)
    if not reply.ranked:
        return Marked("malformed" if reply.text.strip() else "empty", "", 0.0)
    said = max(sorted(reply.ranked), key=reply.ranked.__getitem__)
    return Marked("answered", said, score_of(question, said))
