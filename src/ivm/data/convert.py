"""From any source to shards or to the original's layout: parallel, and resumed where a kill stopped it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from ivm.core.errors import ImageError, InputError, OptionError
from ivm.core.files import output_error, write_files
from ivm.data.coding import encode_mask, encode_picture, picture_kind
from ivm.data.faults import Fault
from ivm.data.journal import Journal
from ivm.data.original_files import original_files
from ivm.data.parts import Part, Progress, parts_of, silent, work_through
from ivm.data.record import Record
from ivm.data.shards import write_shard
from ivm.data.sources.base import Source

MaskChoice = Literal["rle", "png", "keep"]
"""How masks are written: run lengths where they are binary, grey PNG, or as they came."""

PictureChoice = Literal["keep", "jpg", "png"]
"""How pictures are written: their files as they came, or those of another kind encoded anew."""

RECORDS_A_SHARD = 1000

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """What a conversion has written, earlier runs of the same job included."""

    records: int
    files: tuple[str, ...]
    """Names of the shards, or of the file of lines."""
    faults: tuple[Fault, ...]
    """What was left out, and why."""


@dataclass(frozen=True, kw_only=True)
class ToShards:
    """Writes each part of a source as one shard.

    Attributes:
        source: of the records.
        folder: for the shards and their journal; made.
        name: what the shards' names begin with.
        records: about how many a shard holds.
        masks: how they are written.
        pictures: how they are written.
    """

    source: Source
    folder: Path
    name: str
    records: int = RECORDS_A_SHARD
    masks: MaskChoice = "rle"
    pictures: PictureChoice = "keep"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: the name is no beginning of a file's name, or a shard would hold nothing.
        """
        if not self.name or any(letter in self.name for letter in "/\\.\0") or self.name.startswith("-"):
            raise OptionError(f"{self.name!r} cannot begin a file's name: use letters, digits, - and _ for --name")
        if self.records < 1:
            raise OptionError(f"A shard must hold at least one record, not {self.records}")

    def run(self, *, workers: int = 1, progress: Progress = silent) -> Converted:
        """Write what is not yet written.

        Shards are whole or absent, and the same whatever the number of workers and interruptions. A part whose shard is
        gone or of another size is written anew.

        Args:
            workers: processes.
            progress: told after each shard.

        Raises:
            OptionError: the folder holds shards of this name from another job.
            OutputError: the folder cannot be written; DiskFullError where no space is left.
        """
        parts = parts_of(len(self.source), max(1, self.source.step(self.records)))
        with Journal(self.folder / f".{self.name}.journal.jsonl", self._job()) as journal:
            for path in self.folder.glob(f".{self.name}-*.part"):
                path.unlink(missing_ok=True)  # of a run that was killed; the lock says that none is alive
            for number in journal.done:
                if not _whole(self.folder, journal.entry(number)):
                    journal.forget(number)
            work_through(self._write, parts, journal, workers=workers, progress=progress)
            return _summary(journal, len(parts))

    def _job(self) -> dict[str, Any]:
        return {
            "to": "shards",
            "from": dict(self.source.describe()),
            "records": self.records,
            "masks": self.masks,
            "pictures": self.pictures,
        }

    def _write(self, number: int, part: Part) -> dict[str, Any]:
        faults: list[Fault] = []
        records = _Counted(_each(self.source, part, faults, self._recoded))
        entry: dict[str, Any] = {"records": 0, "file": None}
        if (first := next(records, None)) is not None:
            file = f"{self.name}-{number:06d}.tar"
            written = write_shard(self.folder / file, chain([first], records))
            entry = {"records": records.count, "file": file, "size": written.size, "sha256": written.sha256}
        return entry | {"faults": [fault.to_json() for fault in faults]}

    def _recoded(self, record: Record) -> Record:
        return recoded(record, self.masks, self.pictures)


@dataclass(frozen=True, kw_only=True)
class ToOriginal:
    """Writes a source as JSON Lines with `img_*` and `mask_*.jpg`.

    Attributes:
        source: of the records.
        folder: for all files; made.
        name: of the file of lines, without its ending.
    """

    source: Source
    folder: Path
    name: str

    def run(self, *, workers: int = 1, progress: Progress = silent) -> Converted:
        """Write what is not yet written; the file of lines comes last, when everything that it names is there.

        Args:
            workers: processes.
            progress: told after each part.

        Raises:
            OptionError: the folder holds another job of this name.
            OutputError: the folder cannot be written; DiskFullError where no space is left.
        """
        parts = parts_of(len(self.source), max(1, self.source.step(RECORDS_A_SHARD)))
        job = {"to": "original", "from": dict(self.source.describe())}
        with Journal(self.folder / f".{self.name}.journal.jsonl", job) as journal:
            work_through(self._write, parts, journal, workers=workers, progress=progress)
            self._write_lines(journal, len(parts))
            done = _summary(journal, len(parts))
        return replace(done, files=(f"{self.name}.jsonl",))

    def _write(self, number: int, part: Part) -> dict[str, Any]:
        faults: list[Fault] = []
        lines = []
        for line, files in _each(self.source, part, faults, original_files):
            write_files([(self.folder / name, content) for name, content in files])
            lines.append(line)
        return {"records": len(lines), "lines": lines, "file": None, "faults": [fault.to_json() for fault in faults]}

    def _write_lines(self, journal: Journal, parts: int) -> None:
        path = self.folder / f"{self.name}.jsonl"
        fresh = self.folder / f".{self.name}.jsonl.part"  # nobody else writes it: the journal is locked
        try:
            with fresh.open("w", encoding="utf-8") as file:
                for number in range(parts):
                    for line in journal.entry(number)["lines"]:
                        file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
            fresh.replace(path)
        except OSError as error:
            raise output_error(path, error) from error
        finally:
            fresh.unlink(missing_ok=True)


def recoded(record: Record, masks: MaskChoice, pictures: PictureChoice) -> Record:
    """Keep the mask and the picture of a record in another way.

    Raises:
        RecordError: the mask is damaged.
        ImageError: the picture is damaged.
    """
    if masks != "keep" and record.mask_code.kind != masks:
        record = replace(record, mask_code=encode_mask(np.ascontiguousarray(record.mask), runs=masks == "rle"))
    if pictures != "keep" and picture_kind(record.picture) != pictures:
        record = replace(record, picture=encode_picture(record.image, pictures))
    return record


def _each(source: Source, part: Part, faults: list[Fault], do: Callable[[Record], Result]) -> Iterator[Result]:
    """Do something with each record of a part; what is wrong with a record goes to `faults`."""
    for item in source.read(*part):
        if isinstance(item, Fault):
            faults.append(item)
            continue
        try:
            result = do(item)
        except InputError as error:
            kind = "unreadable-picture" if isinstance(error, ImageError) else "unreadable-mask"
            faults.append(Fault(kind=kind, where=source.name, uuid=item.uuid, message=str(error)))
            continue
        yield result


class _Counted(Iterator[Record]):
    def __init__(self, records: Iterable[Record]) -> None:
        self._records = iter(records)
        self.count = 0

    def __next__(self) -> Record:
        record = next(self._records)
        self.count += 1
        return record


def _whole(folder: Path, entry: Mapping[str, Any]) -> bool:
    if entry["file"] is None:
        return True
    try:
        return bool((folder / entry["file"]).stat().st_size == entry["size"])
    except OSError:
        return False


def _summary(journal: Journal, parts: int) -> Converted:
    entries = [journal.entry(number) for number in range(parts)]
    return Converted(
        records=sum(entry["records"] for entry in entries),
        files=tuple(entry["file"] for entry in entries if entry["file"]),
        faults=tuple(Fault(**fault) for entry in entries for fault in entry["faults"]),
    )
