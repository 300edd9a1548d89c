"""The records of a run, the least sure first, and what people decided about them.

Decisions are lines of `review.jsonl` in the run's folder, written as they are made; the last one on a record counts.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import InputError, OptionError, ShardError
from ivm.core.files import output_error
from ivm.data.record import Record
from ivm.data.shards import Shard, shards_of
from ivm.labeling.writer import REJECTED, read_maker
from ivm.masking.rle import Rle, decode_rle, encode_rle

DECISIONS = "review.jsonl"
Decided = Literal["keep", "reject", "redraw"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One record of the queue."""

    uuid: str
    shard: Path
    index: int
    weight: float
    rejected: str
    """Why the run rejected it; empty where it did not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a person said of a record."""

    uuid: str
    decision: Decided
    by: str
    at: str
    """UTC, ISO 8601."""
    mask: Rle | None = None
    """The new mask of "redraw"."""

    def drawn(self) -> NDArray[np.bool_] | None:
        """The new mask (H, W), if there is one."""
        return None if self.mask is None else decode_rle(self.mask)


class Queue:
    """Records and decisions of a run's folder; safe to use from several threads."""

    def __init__(self, folder: str | Path) -> None:
        """Read what each record weighs, and the decisions so far.

        Raises:
            ShardError: there is no shard, or one is damaged.
            OptionError: the file of decisions is damaged.
        """
        self.folder = Path(folder)
        self._lock = threading.Lock()
        self.entries = sorted(
            (entry for path in _shards(self.folder) for entry in _entries(path)),
            key=lambda entry: (entry.weight, entry.uuid),
        )
        self._places = {entry.uuid: place for place, entry in enumerate(self.entries)}
        self.decisions = read_decisions(self.folder)

    def waiting(self) -> list[int]:
        """Places of the records that nobody decided about, the least sure first."""
        return [place for place, entry in enumerate(self.entries) if entry.uuid not in self.decisions]

    def record(self, place: int) -> Record:
        """Read a record.

        Raises:
            OptionError: there is none at that place.
            RecordError: it is damaged.
        """
        if not 0 <= place < len(self.entries):
            raise OptionError(f"There is no record {place}: there are {len(self.entries)}")
        entry = self.entries[place]
        with Shard(entry.shard) as shard:
            return shard[entry.index]

    def decide(self, place: int, decision: str, mask: NDArray[np.bool_] | None, by: str) -> None:
        """Keep a decision, on the disk before this returns.

        Args:
            place: of the record.
            decision: "keep", "reject" or "redraw".
            mask: (H, W) of the picture's size, for "redraw" alone.
            by: who decides.

        Raises:
            OptionError: there is no such record or decision, or the mask does not fit.
            OutputError: it cannot be written.
        """
        if decision not in get_args(Decided) or (decision == "redraw") != (mask is not None):
            raise OptionError(f"A decision is keep, reject, or redraw with a mask, not {decision!r}")
        record = self.record(place)
        if mask is not None and mask.shape != record.mask.shape:
            raise OptionError(f"The mask has {mask.shape[1]}x{mask.shape[0]} pixels, the picture another size")
        told = {"uuid": record.uuid, "decision": decision, "by": by, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        if mask is not None:
            told["mask"] = encode_rle(mask)  # type: ignore[assignment]
        with self._lock:
            _append(self.folder / DECISIONS, told)
            self.decisions[record.uuid] = _decision(told)

    def undo(self) -> int | None:
        """Take the last decision back; returns the record's place, or None where there is none.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            if not self.decisions:
                return None
            uuid = next(reversed(self.decisions))
            _append(self.folder / DECISIONS, {"uuid": uuid, "decision": "undo"})
            del self.decisions[uuid]
            return self._places.get(uuid)


def read_decisions(folder: Path) -> dict[str, Decision]:
    """The decision that counts about each record, by its uuid, in the order of deciding.

    Raises:
        OptionError: the file is damaged elsewhere than at its end, where a kill may have cut it.
    """
    path = folder / DECISIONS
    if not path.is_file():
        return {}
    decisions: dict[str, Decision] = {}
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            told = json.loads(line)
            decisions.pop(told["uuid"], None)
            if told["decision"] != "undo":
                decisions[told["uuid"]] = _decision(told)
        except (ValueError, KeyError, TypeError) as error:
            raise OptionError(f"'{path}', line {number} is no decision ({error}): repair or remove the line") from None
    return decisions


def _decision(told: Mapping[str, Any]) -> Decision:
    return Decision(**{key: told[key] for key in ("uuid", "decision", "by", "at")}, mask=told.get("mask"))


def _append(path: Path, told: Mapping[str, Any]) -> None:
    try:
        with path.open("a+b") as file:
            # A line that a kill cut short must not swallow this one.
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    whole = path.read_bytes().rfind(b"\n") + 1
                    file.truncate(whole)
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise output_error(path, error) from error


def _shards(folder: Path) -> list[Path]:
    try:
        used = shards_of(folder)
    except ShardError:
        used = []
    doubtful = sorted((folder / REJECTED).glob("*.tar"))
    if not used and not doubtful:
        raise ShardError(f"'{folder}' holds no shard (*.tar): give the output folder of ivm label")
    return [*used, *doubtful]


def _entries(path: Path) -> list[Entry]:
    entries = []
    with Shard(path) as shard:
        for index in range(len(shard)):
            try:
                record = shard[index]
            except InputError:
                continue  # ivm data validate tells about broken records
            told = read_maker(record)
            entries.append(
                Entry(
                    uuid=record.uuid,
                    shard=path,
                    index=index,
                    weight=float(record.weight),
                    rejected=str(told.get("rejected", "")),
                )
            )
    return entries
