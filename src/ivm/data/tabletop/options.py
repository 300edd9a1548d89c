"""What may lie on a table, and how large its picture is: the one set of options that all makers of scenes take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ivm.core.errors import OptionError
from ivm.data.tabletop.kinds import KINDS


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneOptions:
    """Describes the scenes that seeds are made into.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        fewest: least number of objects on the table.
        most: greatest number of objects on the table.
        everyday: how much likelier common kinds are: their weights (`kinds.Kind.weight`) are taken to this power.
        kinds: names of the only kinds that are laid on the table; none for all.
    """

    width: int = 256
    height: int = 192
    fewest: int = 3
    most: int = 18
    everyday: float = 1.0
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a value is impossible; the message names it.
        """
        for name, low in {"width": 1, "height": 1, "fewest": 0, "most": self.fewest}.items():
            check_whole(name, getattr(self, name), low)
        everyday = self.everyday
        if not isinstance(everyday, int | float) or isinstance(everyday, bool) or not 0 <= everyday < math.inf:
            raise OptionError(f"everyday must be a number of at least 0, not {everyday!r}")
        if not isinstance(self.kinds, list | tuple) or not all(kind in KINDS for kind in self.kinds):
            raise OptionError(f"kinds must be a list of names among {', '.join(KINDS)}, not {self.kinds!r}")

    @property
    def aspect(self) -> float:
        """Width of the picture over its height."""
        return self.width / self.height


def check_whole(name: str, value: object, low: int, high: int | None = None) -> None:
    """Refuse a value that is no whole number within limits.

    Raises:
        OptionError: it is none; the message names it.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
        limits = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise OptionError(f"{name} must be a whole number {limits}, not {value!r}")
