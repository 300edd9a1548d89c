"""Whether a mask model was trained on the pictures that a trial asks about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivm.core.errors import IvmError
from ivm.core.images import load_image
from ivm.data.fingerprint import Fingerprints, fingerprint, near_pairs
from ivm.data.survey import Survey
from ivm.evaluation.suites.item import VisualQuestion


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """What the check found.

    Attributes:
        checked: data sets of training records that were looked at; none where none was given.
        pictures: of the benchmark that could be compared.
        pairs: training record and picture of the benchmark that are nearly equal.
    """

    checked: Sequence[str]
    pictures: int
    pairs: Sequence[tuple[str, str]]

    @property
    def told(self) -> str:
        """One sentence."""
        if not self.checked:
            return "Leaks were not looked for: no training records were given (--train)."
        places = ", ".join(self.checked)
        leaked = len({picture for _, picture in self.pairs})
        if not leaked:
            return f"No picture of the benchmark ({self.pictures} compared) is among the training records of {places}."
        return f"LEAK: {leaked} of {self.pictures} pictures of the benchmark are in the training records of {places}."


def check_leaks(train: Sequence[Survey], questions: Sequence[VisualQuestion]) -> LeakReport:
    """Compare every picture of a benchmark with every training record, by perceptual hash.

    Args:
        train: surveys of the training records, after their run.
        questions: of the benchmark.
    """
    if not train:
        return LeakReport(checked=(), pictures=0, pairs=())
    keys, prints = [], []
    for key, picture in {question.picture.key: question.picture for question in questions}.items():
        try:
            prints.append(fingerprint(load_image(picture.read())))
            keys.append(key)
        except IvmError:
            continue  # it cannot be asked about either, which the trial counts
    rows = [row for survey in train for row in survey if row.thumb]
    pairs = near_pairs(Fingerprints.of([row.fingerprint for row in rows]), Fingerprints.of(prints))
    return LeakReport(
        checked=tuple(survey.source.name for survey in train),
        pictures=len(keys),
        pairs=tuple((f"{rows[i].uuid} ({rows[i].where})", keys[j]) for i, j in pairs),
    )
