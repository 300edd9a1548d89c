"""How good a probability of presence is: whether it ranks, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BINS = 10


class ReliabilityBin(NamedTuple):
    """Questions whose probability lies in one tenth of [0, 1]."""

    low: float
    questions: int
    told: float
    """Mean probability."""
    true: float
    """Share of what was there."""


def auroc(found: Sequence[float], present: Sequence[bool]) -> float | None:
    """Chance that `found` is higher for something present than for something absent, ties counting half.

    The area under the ROC curve as the statistic of Mann and Whitney (Hanley and McNeil, Radiology 143, 1982).

    Args:
        found: N probabilities.
        present: N, whether it was there.

    Returns:
        In [0, 1]; None where nothing was present, or nothing absent.
    """
    values, truth = np.asarray(found, np.float64), np.asarray(present, bool)
    there, absent = values[truth], np.sort(values[~truth])
    pairs = len(there) * len(absent)
    if not pairs:
        return None
    below, up_to = np.searchsorted(absent, there, "left"), np.searchsorted(absent, there, "right")
    return float((below + up_to).sum()) / 2 / pairs


def reliability(found: Sequence[float], present: Sequence[bool], bins: int = BINS) -> list[ReliabilityBin]:
    """Put questions into equal bins of their probability; bins without a question are left out.

    A probability on the border of two bins belongs to the upper one, 1 to the last.
    """
    values, truth = np.asarray(found, np.float64), np.asarray(present, np.float64)
    number = np.minimum((values * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(
            b / bins, int((number == b).sum()), float(values[number == b].mean()), float(truth[number == b].mean())
        )
        for b in np.unique(number).tolist()
    ]


def calibration_error(found: Sequence[float], present: Sequence[bool], bins: int = BINS) -> float | None:
    """Expected calibration error in equal bins (Naeini et al., AAAI 2015): 0 is best; None without a question."""
    rows = reliability(found, present, bins) if len(found) else []
    return sum(row.questions * abs(row.told - row.true) for row in rows) / len(found) if rows else None


def brier(found: Sequence[float], present: Sequence[bool]) -> float | None:
    """Mean squared distance of probability and truth (Brier 1950): 0 is best; None without a question."""
    if not len(found):
        return None
    return float(np.square(np.asarray(found, np.float64) - np.asarray(present, np.float64)).mean())
