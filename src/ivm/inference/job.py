"""A batch job: every task's result in its own folder, resumed where it stopped, failures told apart from the rest."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ivm.core.errors import IvmError, OutputError
from ivm.core.files import output_errors
from ivm.inference.masker import Masker
from ivm.inference.store import Settings, read_finished, replace_lines, write_result
from ivm.inference.tasks import BadTask, Task
from ivm.masking import MaskResult

RESULTS = "results.jsonl"
FAILURES = "failures.jsonl"

_TOLD = ("image", "instruction", "found", "kept_whole", "bbox", "target_bbox", "area", "coverage")
"""What a line of `results.jsonl` repeats of its summary."""

WRITERS = 2
"""Threads that render and encode pictures while the model answers the next questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one task."""

    id: str
    state: Literal["done", "skipped", "failed"]
    """"skipped" is a whole result of an earlier run with the same picture, instruction and settings."""
    row: Mapping[str, Any] = field(repr=False)
    """Its line in `results.jsonl`, or in `failures.jsonl`."""


class Job:
    """Runs tasks into a folder: `for outcome in job.run(tasks): ...`.

    However a run ends, also by Ctrl-C, each result's folder is whole or absent, and `results.jsonl` and
    `failures.jsonl` tell of every outcome that was yielded, in the order of the tasks.
    """

    def __init__(
        self, masker: Masker, output: Path, settings: Settings, *, batch_size: int = 16, overwrite: bool = False
    ) -> None:
        """Prepare a job.

        Args:
            masker: answers the questions.
            output: folder of all results; made when needed.
            settings: for all tasks.
            batch_size: questions that the model answers at once.
            overwrite: do again what an earlier run has done.
        """
        self._masker = masker
        self._output = output
        self._settings = settings
        self._batch_size = batch_size
        self._overwrite = overwrite

    def run(self, tasks: Sequence[Task | BadTask]) -> Generator[Outcome, None, None]:
        """Do the tasks and yield what became of each, as soon as it is on the disk.

        Close the generator (`contextlib.closing`) where the loop over it may end early.

        Raises:
            OutputError: a result cannot be written, which ends the run; DiskFullError where no space is left.
        """
        with output_errors(self._output):
            self._output.mkdir(parents=True, exist_ok=True)
        outcomes: dict[str, Outcome] = {}
        try:
            for outcome in self._outcomes(tasks):
                outcomes[outcome.id] = outcome
                yield outcome
        finally:
            self._report([outcomes[task.id] for task in tasks if task.id in outcomes])

    def _outcomes(self, tasks: Sequence[Task | BadTask]) -> Iterator[Outcome]:
        ready: deque[Outcome] = deque()
        asked: deque[Task] = deque()
        writing: deque[Future[Outcome]] = deque()
        items = self._masker.each(
            self._questions(tasks, ready, asked),
            threshold=self._settings.threshold,
            batch_size=self._batch_size,
            **self._settings.style,
        )
        with closing(items), ThreadPoolExecutor(WRITERS, thread_name_prefix="ivm-write") as pool:
            try:
                for item in items:
                    writing.append(pool.submit(self._finish, asked.popleft(), item))
                    while len(writing) > self._batch_size:
                        yield writing.popleft().result()
                    yield from _drain(ready)
                yield from _drain(ready)
                while writing:
                    yield writing.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _questions(
        self, tasks: Sequence[Task | BadTask], ready: deque[Outcome], asked: deque[Task]
    ) -> Iterator[tuple[Path, str]]:
        """Yield what must be asked, noted in `asked`; what needs no asking goes to `ready`."""
        for task in tasks:
            if isinstance(task, BadTask):
                ready.append(Outcome(id=task.id, state="failed", row=_failure(task.id, task.error)))
            elif not self._overwrite and (summary := read_finished(self._folder(task), self._expected(task))):
                ready.append(Outcome(id=task.id, state="skipped", row=self._row(task, summary)))
            else:
                asked.append(task)
                yield task.image, task.instruction

    def _finish(self, task: Task, item: MaskResult | IvmError) -> Outcome:
        """Write one result; runs in a writer thread."""
        try:
            if isinstance(item, IvmError):
                raise item
            summary = write_result(item, self._folder(task), self._expected(task))
        except OutputError:
            raise
        except IvmError as error:
            about = {"image": str(task.image), "instruction": task.instruction}
            return Outcome(id=task.id, state="failed", row=_failure(task.id, error) | about)
        return Outcome(id=task.id, state="done", row=self._row(task, summary))

    def _folder(self, task: Task) -> Path:
        return self._output / task.id

    def _expected(self, task: Task) -> dict[str, Any]:
        return {"image": str(task.image.resolve()), "instruction": task.instruction, **self._settings.to_json()}

    def _row(self, task: Task, summary: Mapping[str, Any]) -> dict[str, Any]:
        told = {key: summary[key] for key in _TOLD}
        return {"id": task.id, **told, "folder": str(self._folder(task))}

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        good = [json.dumps(one.row, ensure_ascii=False) for one in outcomes if one.state != "failed"]
        failed = [json.dumps(one.row, ensure_ascii=False) for one in outcomes if one.state == "failed"]
        replace_lines(self._output / RESULTS, good)
        replace_lines(self._output / FAILURES, failed)


def _drain(ready: deque[Outcome]) -> Iterator[Outcome]:
    while ready:
        yield ready.popleft()


def _failure(name: str, error: IvmError) -> dict[str, Any]:
    return {"id": name, "error": type(error).__name__, "message": str(error)}
