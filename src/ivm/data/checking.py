"""Names every broken record, and every picture that trains and evaluates at once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ivm.data.faults import Fault
from ivm.data.fingerprint import Fingerprints, near_pairs
from ivm.data.survey import Row, Survey


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """A picture of an evaluation set that is among those to train on."""

    train: str
    """Record and place."""
    evaluation: str

    def __str__(self) -> str:
        return f"leak: {self.train} shows nearly the picture of {self.evaluation}"


class Prints:
    """Pictures by split: fingerprints, and who has them; 100 bytes a record."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self.names: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """uuid and place, by split."""

    def add(self, split: str, row: Row) -> None:
        """Note the picture of a record, if it could be decoded."""
        if row.thumb:
            self._rows[split].append(row.fingerprint)
            self.names[split].append((row.uuid, row.where))

    def pairs(self, first: str, second: str) -> Iterator[tuple[int, int]]:
        """Indices of nearly equal pictures of two splits."""
        yield from near_pairs(Fingerprints.of(self._rows[first]), Fingerprints.of(self._rows[second]))

    @property
    def splits(self) -> list[str]:
        """Those that have a picture, "train" first."""
        return sorted(self._rows, key=lambda split: (split != "train", split))


def faults_of(surveys: Mapping[str, Survey]) -> Iterator[Fault]:
    """Yield every fault of one or several data sets, in their order; those between records come last.

    Args:
        surveys: by split, after their run; the name "" stands for the split that each record says itself.
    """
    seen: set[bytes] = set()
    prints = Prints()
    for split, survey in surveys.items():
        for row in survey:
            yield from row.told()
            if row.uuid:
                digest = hashlib.blake2b(row.uuid.encode(), digest_size=10).digest()
                if digest in seen:
                    message = "an earlier record has this uuid: give it another"
                    yield Fault(kind="duplicate-uuid", where=row.where, uuid=row.uuid, message=message)
                seen.add(digest)
            if own := split or row.split:
                prints.add(own, row)
    yield from _between(prints)


def leaks_of(train: Sequence[Survey], evaluation: Sequence[Survey]) -> Iterator[Leak]:
    """Yield every record to train on whose picture is nearly one of an evaluation set.

    Args:
        train: surveys after their run.
        evaluation: likewise.
    """
    prints = Prints()
    for split, surveys in (("train", train), ("evaluation", evaluation)):
        for survey in surveys:
            for row in survey:
                prints.add(split, row)
    told: set[int] = set()
    for i, j in prints.pairs("train", "evaluation"):
        if i not in told:
            told.add(i)
            yield Leak(train=_named(prints.names["train"][i]), evaluation=_named(prints.names["evaluation"][j]))


def _between(prints: Prints) -> Iterator[Fault]:
    splits = prints.splits
    for position, later in enumerate(splits):
        told: set[int] = set()
        for earlier in splits[:position]:
            for i, j in prints.pairs(earlier, later):
                if j not in told:
                    told.add(j)
                    uuid, where = prints.names[later][j]
                    other = _named(prints.names[earlier][i])
                    message = f"its picture, of split {later}, is nearly that of {other} of split {earlier}"
                    yield Fault(kind="near-duplicate", where=where, uuid=uuid, message=message)


def _named(name: tuple[str, str]) -> str:
    return f"{name[0]} ({name[1]})"
