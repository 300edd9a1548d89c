"""Parts shards into train, val and test, so that nearly equal pictures stay together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.data.convert import Converted, ToShards
from ivm.data.faults import Fault
from ivm.data.fingerprint import Fingerprints, near_within
from ivm.data.parts import Progress, silent
from ivm.data.sources.base import Item, Source
from ivm.data.survey import Survey

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Splitter:
    """Draws the split of each record from a seed and the name of its group.

    A group is what a record's provenance says it is (a video, a scene) or else its picture; groups with nearly equal
    pictures are one. The same records get the same splits in any order.

    Attributes:
        val: share of the groups to validate with.
        test: share of the groups to test with.
        seed: of the drawing.
    """

    val: float = 0.1
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a share is outside 0 to 1, or nothing would be left to train with.
        """
        if not (0 <= self.val < 1 and 0 <= self.test < 1 and 0 < self.val + self.test < 1):
            raise OptionError(
                f"The shares of val and test must lie between 0 and 1 together, not {self.val} and {self.test}"
            )

    def assign(self, survey: Survey) -> dict[str, str]:
        """The split of each record by its uuid.

        Args:
            survey: after its run; holds about 300 bytes a record in memory.
        """
        rows = [(row.uuid, row.group or row.uuid, row.fingerprint) for row in survey if row.thumb]
        groups = {group: number for number, group in enumerate(dict.fromkeys(group for _, group, _ in rows))}
        own = np.array([groups[group] for _, group, _ in rows], np.int64)
        parents = np.arange(len(groups))
        for i, j in near_within(Fingerprints.of([found for _, _, found in rows])):
            _join(parents, own[i], own[j])
        names = sorted(groups)  # the least name speaks for its group, whatever the order of the records
        speaker: dict[int, str] = {}
        for name in names:
            speaker.setdefault(_root(parents, groups[name]), name)
        return {uuid: self._draw(speaker[_root(parents, groups[group])]) for uuid, group, _ in rows}

    def _draw(self, group: str) -> str:
        digest = hashlib.sha256(f"{self.seed}\0{group}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        if share < self.test:
            return "test"
        return "val" if share < self.test + self.val else "train"


class OneSplit:
    """A source less the records of other splits; items are those of the whole source."""

    def __init__(self, whole: Source, split: str, splits: Mapping[str, str], how: Mapping[str, Any]) -> None:
        """Take a split.

        Args:
            whole: the source that is parted.
            split: which.
            splits: of each record, by uuid; what it does not name is in none.
            how: what the parting depends on, in JSON's types.
        """
        self.name, self._whole, self._split, self._how = split, whole, split, dict(how)
        self._uuids = frozenset(uuid for uuid, own in splits.items() if own == split)

    def __len__(self) -> int:
        return len(self._whole)

    def step(self, records: int) -> int:
        """As in the whole."""
        return self._whole.step(records)

    def describe(self) -> dict[str, Any]:
        """The whole, and how it is parted."""
        return {"split": self._split, "how": self._how, "of": dict(self._whole.describe())}

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Read what of items `start` to `stop` is of this split; broken records are in no split."""
        for item in self._whole.read(start, stop):
            if not isinstance(item, Fault) and item.uuid in self._uuids:
                yield item


def split(
    source: Source, folder: Path, splitter: Splitter, survey: Survey, *, workers: int = 1, progress: Progress = silent
) -> dict[str, Converted]:
    """Write the records of a source into `folder/train`, `folder/val` and `folder/test`; resumed like any conversion.

    Args:
        source: what is parted.
        folder: for the folders of the splits.
        splitter: says which record goes where.
        survey: of the source, after its run.
        workers: processes.
        progress: told after each shard of each split.

    Raises:
        OptionError: the folder holds another job.
        OutputError: the folder cannot be written.
    """
    splits = splitter.assign(survey)
    how = {"val": splitter.val, "test": splitter.test, "seed": splitter.seed}
    written = {}
    for name in SPLITS:
        part = OneSplit(source, name, splits, how)
        if name in splits.values():
            job = ToShards(source=part, folder=folder / name, name=name, masks="keep")
            written[name] = job.run(workers=workers, progress=progress)
    return written


def _root(parents: NDArray[np.int64], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return int(node)


def _join(parents: NDArray[np.int64], first: int, second: int) -> None:
    one, other = _root(parents, first), _root(parents, second)
    parents[max(one, other)] = min(one, other)
