"""The arms of a trial: how a picture is shown, and where its mask is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivm.core.errors import OptionError

VIEWS = {
    "raw": "the picture as it is",
    "highlight": "all else white",
    "blur": "all else blurred",
    "gray": "all else without colour",
    "inpaint": "other things taken away",
    "alpha": "all else black, as a model sees a transparent picture",
    "crop-highlight": "all else white, cut to the box",
    "crop-blur": "all else blurred, cut to the box",
    "crop": "the picture cut to the mask's box, nothing masked",
    "original+crop": "the picture, and beside it the crop",
}
"""How a picture may be shown."""

MASK_FROM = {
    "model": "the mask model, asked the question",
    "oracle": "the benchmark's own boxes: what a perfect mask could bring",
    "random": "the model's mask, moved to a random place: as much masked, nothing known",
    "shuffled": "the model, asked another question of the benchmark",
    "matched": "no mask: the whole picture at as many pixels as the view sends",
}
"""Where the mask of a view may be from; all but "model" are controls."""

CONTROLS = ("oracle", "random", "shuffled", "matched")

DEFAULT_VIEWS = ("highlight", "crop", "original+crop")
DEFAULT_CONTROLS = ("oracle", "random", "shuffled")

RESIZED = ("crop-highlight", "crop-blur", "crop", "original+crop")
"""Views that send another number of pixels than the raw picture has; only these have a "matched" control."""


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """One way in which every question is asked."""

    view: str
    mask: str = "model"

    def __post_init__(self) -> None:
        """Check names.

        Raises:
            OptionError: there is no such view or control.
        """
        if self.view not in VIEWS:
            raise OptionError(f"There is no view {self.view!r}: use {', '.join(VIEWS)}")
        if self.mask not in MASK_FROM:
            raise OptionError(f"There is no control {self.mask!r}: use {', '.join(CONTROLS)}")

    @property
    def name(self) -> str:
        """ "raw", "highlight", "highlight/random"."""
        return self.view if self.mask == "model" else f"{self.view}/{self.mask}"

    @classmethod
    def named(cls, name: str) -> Arm:
        """The arm with a name.

        Raises:
            OptionError: there is none.
        """
        view, _, mask = name.partition("/")
        return cls(view, mask or "model")


RAW = Arm("raw")


def arms_of(views: Sequence[str], controls: Sequence[str]) -> tuple[Arm, ...]:
    """Every arm of a trial: raw first, then each view with the model's mask and with each control.

    Raises:
        OptionError: there is no such view or control, or no view but raw.
    """
    shown = [view for view in dict.fromkeys(views) if view != "raw"]
    if not shown:
        raise OptionError("A trial needs a view beside raw: for example --view highlight")
    arms = [RAW]
    for view in shown:
        for mask in dict.fromkeys(("model", *controls)):
            arm = Arm(view, mask)
            if mask != "matched" or view in RESIZED:
                arms.append(arm)
    return tuple(arms)
