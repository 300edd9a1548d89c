"""How far an episode is from what a policy was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ivm.core.errors import OptionError

Clutter = Literal["none", "unseen", "alike"]


@dataclass(frozen=True, kw_only=True)
class Level:
    """What is changed on the table; everything else is as in training.

    Attributes:
        clutter: things added: none, of kinds that no demonstration showed ("unseen"), or that share the colour or the
            kind of the thing asked for ("alike").
        table: whether table and room look new.
        light: whether the light comes from elsewhere, in another strength and colour.
        camera: whether the camera has been moved a little, and takes pictures of another quality.
    """

    clutter: Clutter = "none"
    table: bool = False
    light: bool = False
    camera: bool = False


LEVELS: dict[str, Level] = {
    "trained": Level(),
    "distractors": Level(clutter="unseen"),
    "alike": Level(clutter="alike"),
    "background": Level(table=True),
    "light": Level(light=True, camera=True),
    "all": Level(clutter="unseen", table=True, light=True, camera=True),
}
"""Every level by its name."""


def level_of(name: str) -> Level:
    """Return a level by its name.

    Raises:
        OptionError: there is none of that name.
    """
    if name not in LEVELS:
        raise OptionError(f"There is no level {name!r}: use {', '.join(LEVELS)}")
    return LEVELS[name]
