"""Looks at every record of a source once, in processes side by side, and keeps what the commands ask about.

`validate`, `stats`, `card`, `split` and `leaks` are all read off the same rows. They are kept in the cache folder, so
that an interrupted run goes on, and one command after another on the same shards looks at nothing twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ivm.core.errors import IvmError
from ivm.core.files import cache_folder
from ivm.data.coding import Mask
from ivm.data.faults import BadRecordError, Fault
from ivm.data.fingerprint import fingerprint
from ivm.data.journal import Journal
from ivm.data.language import other_language
from ivm.data.parts import Part, Progress, parts_of, silent, work_through
from ivm.data.record import Record
from ivm.data.sources.base import Source

RECORDS_A_PART = 256
VERSION = 1
"""Of the rows: raised when they change, so that old ones are not taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What was seen of one record."""

    uuid: str
    where: str
    faults: tuple[tuple[str, str], ...] = ()
    """Kind and message of each fault."""
    words: tuple[int, ...] = ()
    """Of each instruction."""
    size: tuple[int, int] = (0, 0)
    """Width and height."""
    area: float = 0.0
    """Share of the picture that is needed."""
    source: str = ""
    license: str = ""
    weight: float = 0.0
    present: bool = True
    dataset: str = ""
    split: str = ""
    group: str = ""
    mask_kind: str = ""
    hash: int = 0
    thumb: str = ""
    """As hexadecimal digits; empty where the picture could not be decoded."""

    @property
    def fingerprint(self) -> tuple[int, bytes]:
        """Hash and thumbnail, see `fingerprint`."""
        return self.hash, bytes.fromhex(self.thumb)

    def told(self) -> Iterator[Fault]:
        """The faults as such."""
        for kind, message in self.faults:
            yield Fault(kind=kind, where=self.where, uuid=self.uuid, message=message)


class Survey:
    """The rows of a source: `for row in Survey(source): ...`, after `run`."""

    def __init__(self, source: Source, *, cache: Path | None = None) -> None:
        """Describe a survey; nothing is read.

        Args:
            source: whose records are looked at.
            cache: folder for rows; `cache_folder("surveys")` by default.
        """
        self.source = source
        self._parts = parts_of(len(source), max(1, source.step(RECORDS_A_PART)))
        described = json.dumps([VERSION, dict(source.describe())], sort_keys=True)
        self._path = (cache or cache_folder("surveys")) / f"{hashlib.sha256(described.encode()).hexdigest()[:24]}.jsonl"
        self._job = {"survey": VERSION, "of": dict(source.describe())}
        self._lasting = source.describe().get("source") == "shards"

    def run(self, *, workers: int = 1, progress: Progress = silent) -> Survey:
        """Look at what was not yet looked at.

        Args:
            workers: processes.
            progress: told after each part.

        Returns:
            Itself.

        Raises:
            OutputError: the cache folder cannot be written.
        """
        with Journal(self._path, self._job) as journal:
            # Pictures beside a list may have changed though the list has not; a shard holds all of its records.
            if journal.done == frozenset(range(len(self._parts))) and not self._lasting:
                for number in journal.done:
                    journal.forget(number)
            work_through(self._look, self._parts, journal, workers=workers, progress=progress)
        return self

    def __iter__(self) -> Iterator[Row]:
        """The rows in the order of the source."""
        with Journal(self._path, self._job) as journal:
            for number in range(len(self._parts)):
                for told in journal.entry(number):
                    yield _row(told)

    def _look(self, number: int, part: Part) -> list[dict[str, Any]]:
        return [asdict(look(item, self.source.name)) for item in self.source.read(*part)]


def look(item: Record | Fault, name: str) -> Row:
    """Look at one record.

    Args:
        item: as a source yields it.
        name: of the source, for where a sound record is.
    """
    if isinstance(item, Fault):
        return Row(uuid=item.uuid, where=item.where, faults=((item.kind, item.message),))
    faults = [("language", f"{text!r} seems to be {language}: translate it") for text in item.instructions
              if (language := other_language(text))]  # fmt: skip
    about: dict[str, Any] = {}
    try:
        image = item.image
        about |= {"size": (image.shape[1], image.shape[0])}
        about["hash"], thumb = fingerprint(image)
        about["thumb"] = thumb.hex()
        _, mask = item.pixels()
        about["area"] = float(mask.mean()) / 255
        faults += _of_mask(mask, item.present)
    except BadRecordError as error:
        faults.append((error.kind, str(error)))
    except IvmError as error:
        faults.append(("unreadable-picture", str(error)))
    return Row(
        uuid=item.uuid,
        where=f"{name}: {item.provenance.item or item.uuid}",
        faults=tuple(faults),
        words=tuple(len(text.split()) for text in item.instructions),
        source=item.source,
        license=item.license,
        weight=float(item.weight),
        present=item.present,
        dataset=item.provenance.dataset,
        split=item.provenance.split,
        group=item.provenance.group,
        mask_kind=item.mask_code.kind,
        **about,
    )


def _of_mask(mask: Mask, present: bool) -> list[tuple[str, str]]:
    low, high = int(mask.min()), int(mask.max())
    if not present:
        return [("absent-mask", "the target is said to be absent, but the mask needs pixels")] if high else []
    if high == 0:
        return [("empty-mask", "the mask needs no pixel: label it, or say that the target is absent")]
    return [("constant-mask", f"every pixel of the mask is {low}: label what is needed")] if low == high else []


def _row(told: dict[str, Any]) -> Row:
    fixed = {"faults": tuple(tuple(fault) for fault in told["faults"]), "words": tuple(told["words"])}
    return Row(**told | fixed | {"size": tuple(told["size"])})
