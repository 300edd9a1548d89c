"""How sure a success rate is."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959964
"""The normal distribution's quantile of 97.5 %."""


class Rate(NamedTuple):
    """A share of successes with its interval."""

    successes: int
    episodes: int
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Share of successes."""
        return self.successes / self.episodes

    def __str__(self) -> str:
        """Return for example '0.62 [0.54, 0.69]'."""
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def wilson(successes: int, episodes: int) -> Rate:
    """Return a success rate with Wilson's score interval of 95 % (Wilson, JASA 22, 1927, p. 209).

    Args:
        successes: how many episodes ended well.
        episodes: of how many, at least 1.

    Raises:
        ValueError: there are no episodes, or more successes than episodes.
    """
    if episodes < 1 or not 0 <= successes <= episodes:
        raise ValueError(f"Expected 0 <= successes <= episodes and an episode, got {successes} of {episodes}")
    share, wide = successes / episodes, Z * Z / episodes
    middle = (share + wide / 2) / (1 + wide)
    half = Z / (1 + wide) * math.sqrt(share * (1 - share) / episodes + wide / (4 * episodes))
    return Rate(successes, episodes, max(0.0, middle - half), min(1.0, middle + half))
