"""Two arms of a trial compared question by question."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional
from ivm.evaluation.bootstrap import Estimate, cluster_bootstrap

RESAMPLES = 9_999
"""Random sign changes of the permutation test: its p-values are then steady to about 0.002 near 0.05."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A second arm against a first one, on the questions that were asked in both."""

    first: str
    second: str
    questions: int
    pictures: int
    first_mean: float
    second_mean: float
    difference: Estimate
    """Second less first, with a 95 % interval from resampling pictures, each with all its pairs."""
    helped: int
    """Questions that score higher in the second arm."""
    hurt: int
    """Questions that score lower."""
    mcnemar_p: float | None
    """`mcnemar` of helped and hurt; None where scores are not only 0 and 1."""
    permutation_p: float
    """`sign_flips` by picture."""
    adjusted_p: float | None = None
    """`p` after Holm's correction, where this is one of several questions of the same kind."""

    @property
    def p(self) -> float:
        """McNemar's where each picture has one question and scores are 0 or 1, else the permutation test's."""
        single = self.pictures == self.questions
        return self.mcnemar_p if single and self.mcnemar_p is not None else self.permutation_p

    @property
    def test(self) -> str:
        """The name of the test that `p` is from."""
        single = self.pictures == self.questions and self.mcnemar_p is not None
        return "McNemar, mid-p" if single else "sign flips by picture"

    @property
    def unchanged(self) -> int:
        """Questions that score the same."""
        return self.questions - self.helped - self.hurt

    def to_json(self) -> dict[str, Any]:
        """Everything, `p` and its test too."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        told["difference"] = self.difference._asdict()
        return {**told, "unchanged": self.unchanged, "p": self.p, "test": self.test}


def compare(
    first: Mapping[str, float],
    second: Mapping[str, float],
    group_of: Mapping[str, Hashable],
    *,
    names: tuple[str, str],
    seed: int = 0,
) -> Comparison | None:
    """Compare two arms; None where no question was asked in both.

    Args:
        first: score in [0, 1] by question.
        second: likewise.
        group_of: picture by question.
        names: of both arms.
        seed: of the resampling.
    """
    common = [question for question in first if question in second]
    if not common:
        return None
    one = np.array([first[question] for question in common], np.float64)
    two = np.array([second[question] for question in common], np.float64)
    groups = [group_of[question] for question in common]
    gain = two - one
    helped, hurt = int((gain > 0).sum()), int((gain < 0).sum())
    binary = bool(np.isin([one, two], (0.0, 1.0)).all())
    return Comparison(
        first=names[0],
        second=names[1],
        questions=len(common),
        pictures=len(set(groups)),
        first_mean=float(one.mean()),
        second_mean=float(two.mean()),
        difference=cluster_bootstrap(gain.tolist(), groups, seed=seed),
        helped=helped,
        hurt=hurt,
        mcnemar_p=float(mcnemar(helped, hurt)) if binary else None,
        permutation_p=sign_flips(gain, groups, seed=seed),
    )


def mcnemar(helped: Any, hurt: Any) -> NDArray[np.float64]:
    """McNemar's test with the mid-p value, two-sided, for changes for the better and for the worse.

    The exact test is too cautious (its true level lies well below the stated one), the one by chi-square too bold; the
    mid-p value keeps the level closest (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013).

    Args:
        helped: changes for the better, a whole number or an array of them.
        hurt: changes for the worse, of the same shape.

    Returns:
        p-values of that shape; 1 where nothing changed.
    """
    binomial = optional("scipy.stats", extra="eval").binom
    better, worse = np.asarray(helped), np.asarray(hurt)
    total, fewer = better + worse, np.minimum(better, worse)
    value = 2 * binomial.cdf(fewer, total, 0.5) - binomial.pmf(fewer, total, 0.5)
    return np.asarray(np.where(better == worse, 1.0, np.minimum(value, 1.0)), np.float64)


def sign_flips(gain: NDArray[np.float64], groups: Sequence[Hashable], seed: int = 0) -> float:
    """Permutation test of a mean gain of 0, two-sided, flipping the signs of whole pictures.

    Questions about one picture move together, which McNemar's test does not know.

    Args:
        gain: (N,) second score less first.
        groups: N names of the picture that each is about.
        seed: of the flips; with few pictures all are tried.
    """
    number_of = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    sums = np.bincount([number_of[group] for group in groups], weights=gain)
    sums = sums[sums != 0]  # flipping a zero changes nothing
    if len(sums) < 2:  # of one picture, the sign is as likely one way as the other
        return 1.0
    stats = optional("scipy.stats", extra="eval")
    found = stats.permutation_test(
        (sums,),
        np.sum,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's correction: p-values as they are when the whole family of questions counts (Scand. J. Stat. 6, 1979)."""
    order = np.argsort(values)
    adjusted = [0.0] * len(values)
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - place) * values[int(number)]))
        adjusted[int(number)] = highest
    return adjusted
