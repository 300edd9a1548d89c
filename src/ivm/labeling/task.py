"""What is to be labelled: a picture with an instruction; and where such tasks come from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ivm.core.errors import InstructionError, RecordError
from ivm.core.instruction import check_instruction
from ivm.data.coding import MaskCode
from ivm.data.faults import BadRecordError, Fault
from ivm.data.lines import JsonLines
from ivm.data.record import Provenance, Record, SourceKind, plain_name
from ivm.data.sources.base import Source, read_file, stamp


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A picture, texts of one meaning about it, and where it is from.

    Attributes:
        uuid: as the record will be called.
        picture: a whole picture file.
        instructions: the first one is planned, all go into the record.
        license: of the picture.
        provenance: of the picture; `maker` is that of `known`.
        known: a mask that the picture comes with. It is never looked at when masks are made; only inventing
            instructions for labelled pictures starts from it.
        known_source: who drew `known`.
    """

    uuid: str
    picture: bytes
    instructions: tuple[str, ...]
    license: str
    provenance: Provenance = field(default_factory=Provenance)
    known: MaskCode | None = None
    known_source: SourceKind = "machine"


TaskItem: TypeAlias = Task | Fault


class TaskSource(Protocol):
    """An ordered, numbered set of items, any of which any process can read; see `data.sources.base.Source`."""

    @property
    def name(self) -> str:
        """Short, for file names."""
        ...

    def __len__(self) -> int:
        """How many items there are."""
        ...

    def step(self, records: int) -> int:
        """How many items hold about so many tasks."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What the tasks depend on, in JSON's types."""
        ...

    def tasks(self, start: int, stop: int) -> Iterator[TaskItem]:
        """Read items `start` to `stop` in order; a broken one is told, not raised."""
        ...


class RecordTasks:
    """The pictures and instructions of any data set; its masks come along as `known`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name = source.name

    def __len__(self) -> int:
        return len(self._source)

    def step(self, records: int) -> int:
        """The data set's."""
        return self._source.step(records)

    def describe(self) -> Mapping[str, Any]:
        """The data set's."""
        return self._source.describe()

    def tasks(self, start: int, stop: int) -> Iterator[TaskItem]:
        """Read records as tasks."""
        for item in self._source.read(start, stop):
            yield task_of(item) if isinstance(item, Record) else item


def task_of(record: Record) -> Task:
    """Take a record's picture and instructions as what is to be labelled."""
    return Task(
        uuid=record.uuid,
        picture=record.picture,
        instructions=record.instructions,
        license=record.license,
        provenance=record.provenance,
        known=record.mask_code,
        known_source=record.source,
    )


class ListedTasks:
    """Lines `{"image": "a.jpg", "instruction": "the red cup"}` of a file; a list of texts of one meaning, too.

    Further keys: "uuid" (else the file's name and the line), "license" (else "unknown"), "group" (a video).
    """

    def __init__(self, path: str | Path) -> None:
        """Find the lines.

        Raises:
            RecordError: the file cannot be read, or holds no line.
        """
        self._path = Path(path)
        self._lines = JsonLines(self._path)
        if not len(self._lines):
            raise RecordError(f"'{path}' holds no line: write one JSON object a line")
        self.name = plain_name(self._path.stem) or "tasks"

    def __len__(self) -> int:
        return len(self._lines)

    def step(self, records: int) -> int:
        """A line is a task."""
        return records

    def describe(self) -> Mapping[str, Any]:
        """File and stamp."""
        return {"source": "lines", "file": str(self._path.resolve()), "stamp": stamp(self._path)}

    def tasks(self, start: int, stop: int) -> Iterator[TaskItem]:
        """Read lines as tasks."""
        for index in range(start, min(stop, len(self))):
            uuid: object = ""
            try:
                told = self._lines[index]
                uuid = told.get("uuid", f"{self.name}-{index}")
                yield self._task(told, str(uuid))
            except RecordError as error:
                yield Fault.of(error, self._lines.where(index), uuid)

    def _task(self, told: Mapping[str, Any], uuid: str) -> Task:
        image, texts = told.get("image"), told.get("instruction")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(image, str) or not image:
            raise BadRecordError("missing-picture", f'"image" must be the path of a picture, not {json.dumps(image)}')
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise BadRecordError("instruction", f'"instruction" must be a text or a list of texts, not {texts!r}')
        try:
            clean = tuple(check_instruction(text) for text in texts)
        except InstructionError as error:
            raise BadRecordError("instruction", str(error)) from None
        return Task(
            uuid=uuid,
            picture=read_file(self._path.parent / image, "missing-picture"),
            instructions=clean,
            license=str(told.get("license", "unknown")),
            provenance=Provenance(dataset=self.name, item=image, group=str(told.get("group", ""))),
        )
