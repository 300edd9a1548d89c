"""Names of colours, the ranges of hue, saturation and value that they cover, and which of them people confuse."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Color:
    """A colour name with the box of HSV it covers (hue in degrees, may pass 360; saturation and value in [0, 1])."""

    name: str
    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]
    also: tuple[str, ...] = ()

    def sample(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Draw an RGB triple in [0, 1] from the box."""
        hue = rng.uniform(*self.hue) % 360 / 360
        return colorsys.hsv_to_rgb(hue, rng.uniform(*self.saturation), rng.uniform(*self.value))


COLORS: dict[str, Color] = {
    color.name: color
    for color in (
        Color("red", (343, 368), (0.75, 1.0), (0.5, 0.95), ("crimson", "scarlet")),
        Color("orange", (16, 33), (0.75, 1.0), (0.75, 1.0)),
        Color("yellow", (38, 58), (0.65, 1.0), (0.8, 1.0)),
        Color("green", (68, 155), (0.45, 1.0), (0.25, 0.9)),
        Color("lime", (66, 88), (0.65, 1.0), (0.7, 0.95), ("lime green", "light green", "green")),
        Color("turquoise", (170, 188), (0.5, 1.0), (0.5, 0.9), ("teal", "cyan")),
        Color("blue", (193, 246), (0.6, 1.0), (0.3, 0.95)),
        Color("purple", (262, 300), (0.4, 0.9), (0.3, 0.8), ("violet",)),
        Color("pink", (315, 348), (0.25, 0.62), (0.8, 1.0)),
        Color("brown", (14, 32), (0.45, 0.8), (0.2, 0.5)),
        Color("beige", (24, 44), (0.2, 0.48), (0.78, 0.97), ("cream", "tan")),
        Color("white", (0, 360), (0.0, 0.06), (0.85, 1.0)),
        Color("black", (0, 360), (0.0, 0.3), (0.02, 0.12)),
        Color("gray", (0, 360), (0.0, 0.08), (0.3, 0.62), ("grey",)),
        Color("silver", (190, 240), (0.0, 0.06), (0.6, 0.8), ("metal", "steel", "metallic", "shiny")),
        Color("gold", (38, 48), (0.5, 0.75), (0.7, 0.9), ("golden", "brass")),
        Color("wooden", (22, 38), (0.3, 0.55), (0.5, 0.85), ("wood", "brown", "light brown")),
    )
}
"""Every colour that an object may have; "silver", "gold" and "wooden" are materials that people name like colours."""

CONFUSED: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "red pink",
        "red orange",
        "orange yellow",
        "yellow gold",
        "yellow beige",
        "orange brown",
        "beige white",
        "beige wooden",
        "wooden brown",
        "wooden orange",
        "wooden gold",
        "gold brown",
        "green lime",
        "lime yellow",
        "green turquoise",
        "turquoise blue",
        "blue purple",
        "purple pink",
        "gray silver",
        "white silver",
        "black gray",
        "white gray",
        "brown black",
        "silver black",
    )
)
"""Pairs of names between which a person may waver: an object of the one is no clear "no" to the other."""


def confusable(first: str, second: str) -> bool:
    """Whether a person might call an object of colour `first` by the name `second`."""
    return first == second or frozenset((first, second)) in CONFUSED
