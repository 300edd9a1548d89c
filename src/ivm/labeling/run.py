"""A whole run: parts of a source go through the stages, each becomes a shard, and what is done stays done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ivm.core.errors import DataError, OptionError
from ivm.data.journal import Journal
from ivm.data.parts import Part, Progress, parts_of, silent
from ivm.labeling.asking import Asker
from ivm.labeling.draft import Batch
from ivm.labeling.report import Report
from ivm.labeling.stages import ReadStage, through
from ivm.labeling.task import TaskSource
from ivm.labeling.writer import REJECTED, WriteStage, whole
from ivm.lmm.answers import Usage

RECORDS_A_SHARD = 64
"""Tasks that go through the stages together and become one shard."""

WRITER_CPUS = 0.25
"""Cores that the worker takes that writes shards."""

StageMaker = Callable[[Asker | None], Callable[[Batch], Batch]]
"""Makes a stage where it will run; can be pickled. Is given the run's LMM, if there is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSpec:
    """A stage as an engine builds it.

    Attributes:
        name: for people.
        make: makes it.
        workers: processes that run it side by side.
        cpus: cores that each takes.
        gpus: GPUs that each takes.
    """

    name: str
    make: StageMaker
    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What an engine does: read parts, pass each through all stages; the last one writes."""

    read: ReadStage
    stages: tuple[StageSpec, ...]
    todo: tuple[tuple[int, Part], ...]
    """Numbers and parts that are left to do."""


class Engine(Protocol):
    """Does the work of a run somewhere."""

    def run(self, work: Work) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the journal entry of each part as soon as it is written, in any order.

        Raises:
            IvmError: a stage cannot be made, or cannot go on.
        """
        ...

    def usage(self) -> Usage | None:
        """What the LMM took so far, if there is one."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class HereEngine:
    """Does the work in this process, one part after the other."""

    def __init__(self, asker: Callable[[], Any] | None = None) -> None:
        """Make ready.

        Args:
            asker: makes the LMM's client, a `Desk`; None where no stage asks one.
        """
        self._asker = asker() if asker is not None else None

    def run(self, work: Work) -> Iterator[tuple[int, dict[str, Any]]]:
        """Do one part after the other."""
        stages = [spec.make(self._asker) for spec in work.stages]
        for number, part in work.todo:
            batch = through(stages, work.read.begin(number, part))
            assert batch.entry is not None, "the last stage writes"
            yield number, batch.entry

    def usage(self) -> Usage | None:
        """What the LMM took so far."""
        usage: Usage | None = self._asker.report() if self._asker is not None else None
        return usage

    def close(self) -> None:
        """Close the LMM's client."""
        if self._asker is not None:
            self._asker.close()


@dataclass(frozen=True, kw_only=True)
class LabelRun:
    """Labels a source into a folder.

    Attributes:
        source: of the tasks.
        folder: for shards, journal and report; all workers see it.
        name: what files' names begin with.
        stages: in order, without reading and writing.
        records: about how many tasks a shard is made of.
        settings: all that the records depend on besides the source, in JSON's types.
    """

    source: TaskSource
    folder: Path
    name: str
    stages: Sequence[StageSpec]
    records: int = RECORDS_A_SHARD
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check values.

        Raises:
            OptionError: the name cannot begin a file's name, or a shard would hold nothing.
        """
        if not self.name or any(letter in self.name for letter in "/\\.\0") or self.name.startswith("-"):
            raise OptionError(f"{self.name!r} cannot begin a file's name: use letters, digits, - and _")
        if self.records < 1:
            raise OptionError(f"A shard must be made of at least one task, not {self.records}")

    def run(self, engine: Engine, *, progress: Progress = silent) -> Report:
        """Label what is not labelled yet.

        Every part is written once: a shard is whole or not there, and the journal has a line for each that is. A part
        that a kill interrupted is done again, with the same result, in the same file.

        Args:
            engine: does the work; is not closed.
            progress: told after each part.

        Raises:
            OptionError: the folder holds a run with other settings or another source.
            OutputError: the folder cannot be written, or another process labels into it.
            DataError: the engine ended without having written everything.
            IvmError: a model cannot be loaded, or the LMM's budget is spent.
        """
        parts = parts_of(len(self.source), max(1, self.source.step(self.records)))
        folder = self.folder.resolve()
        job = {"to": "labels", "from": dict(self.source.describe()), "records": self.records, **self.settings}
        with Journal(folder / f".{self.name}.journal.jsonl", job) as journal:
            for place in (folder, folder / REJECTED):
                for path in place.glob(f".{self.name}-*.part"):
                    path.unlink(missing_ok=True)  # of a run that was killed; the lock says that none is alive
            for number in journal.done:
                if not whole(folder, journal.entry(number)):
                    journal.forget(number)
            write = StageSpec(name="write", make=partial(write_stage, folder, self.name), cpus=WRITER_CPUS)
            todo = tuple((number, part) for number, part in enumerate(parts) if number not in journal.done)
            done = len(parts) - len(todo)
            progress(done, len(parts))
            if todo:
                work = Work(read=ReadStage(self.source), stages=(*self.stages, write), todo=todo)
                with closing(engine.run(work)) as results:  # type: ignore[type-var]
                    for number, entry in results:
                        journal.write(number, entry)
                        done += 1
                        progress(done, len(parts))
            if missing := sorted(set(range(len(parts))) - journal.done):
                raise DataError(f"Shards {missing[:10]} of {len(parts)} were not written: run the same command again")
            return Report.of([journal.entry(number) for number in range(len(parts))], engine.usage())


def write_stage(folder: Path, name: str, asker: Asker | None) -> WriteStage:
    """Make the last stage."""
    return WriteStage(folder, name)
