"""How surfaces, lights and rooms look: random materials, the light that metal mirrors, what is seen past the table."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.lamps import SHARPNESS
from ivm.data.tabletop.patterns import TEXTURES
from ivm.data.tabletop.shading import MATERIAL_COLUMNS
from ivm.data.tabletop.shapes import Floats


def material(rng: np.random.Generator, color: str, texture: str = "plain") -> Floats:
    """Draw a material of a named colour: (MATERIAL_COLUMNS,) float32, see `shading.MATERIAL_COLUMNS`."""
    row = np.zeros(MATERIAL_COLUMNS, np.float32)
    # Named colours are what a camera shows; light adds linearly, so they are squared (a gamma of 2) here.
    row[:3] = np.square(COLORS[color].sample(rng))
    glossy = rng.random() < 0.6
    row[6:10] = 1.0, rng.uniform(0.1, 0.7) if glossy else rng.uniform(0, 0.08), rng.uniform(15, 120), 0
    if color in ("silver", "gold"):
        row[6:10] = 1.0, rng.uniform(0.1, 0.6), rng.uniform(20, 80), rng.uniform(0.5, 0.85)
        texture = "plain" if texture == "grain" else texture
    if texture == "grain" and color != "wooden":
        texture = "plain"
    if color == "wooden":
        texture = "grain" if texture in ("plain", "grain") else texture
        row[7] *= 0.2
    if texture == "plain" and rng.random() < 0.06 and row[9] == 0:
        texture = str(rng.choice(["stripes", "checker", "mottled"]))
    row[3:6] = _second_color(rng, row[:3], texture)
    row[10], row[11] = TEXTURES.index(texture), rng.uniform(1.6, 4.0)
    if rng.random() < 0.04 and row[9] == 0:
        row[12] = rng.uniform(0.2, 0.5)
    return row


def _second_color(rng: np.random.Generator, first: Floats, texture: str) -> Floats:
    """The other colour of a texture: near the first one, except on printed labels."""
    if texture == "label":
        return np.square(rng.uniform(0, 1, 3)).astype(np.float32) if rng.random() < 0.7 else first
    factor = {"grain": (0.4, 0.8), "mottled": (0.55, 0.9), "holes": (0.45, 0.75), "seeds": (0.4, 1.5)}.get(
        texture, (0.5, 0.85)
    )
    return (first * rng.uniform(*factor)).astype(np.float32)


def table_material(rng: np.random.Generator) -> Floats:
    """Draw the table's surface: mostly light and plain, else wood, cloth, stripes or tiles."""
    draw = rng.random()
    if draw < 0.45:
        row = material(rng, "white")
        row[:3] = rng.uniform(0.45, 0.95) * (1 + rng.normal(0, 0.03, 3))
        row[10] = TEXTURES.index("mottled") if rng.random() < 0.3 else 0
        row[3:6] = row[:3] * rng.uniform(0.9, 1.0)
    elif draw < 0.75:
        row = material(rng, "wooden", "grain")
        row[:3] *= rng.uniform(0.3, 1.1)
        row[3:6] = row[:3] * rng.uniform(0.5, 0.9)
        row[11] = rng.uniform(2, 9)
    else:
        row = material(
            rng, str(rng.choice(["gray", "black", "beige", "brown", "blue", "green", "white", "pink", "purple"]))
        )
        row[10] = TEXTURES.index(str(rng.choice(["plain", "plain", "mottled", "stripes", "checker", "label"])))
        row[3:6] = row[:3] * rng.uniform(0.5, 1.1) if row[10] != 5 else np.square(rng.uniform(0, 1, 3))
        row[11] = rng.uniform(0.6, 8)
    row[7] *= 0.35
    row[9] = rng.uniform(0, 0.06)
    row[12] = 0
    return np.clip(row, 0, None).astype(np.float32)


def light_lobes(rng: np.random.Generator, table: Floats) -> Floats:
    """Draw what a mirror sees: rows for `lamps.environment`, the table's and the room's light first."""
    rows = np.zeros((2 + int(rng.integers(3, 8)), 7), np.float32)
    rows[0, 4:] = table
    rows[1, 4:] = rng.uniform(0.05, 0.5) * (1 + rng.normal(0, 0.05, 3))
    for row in rows[2:]:
        direction = rng.normal((0, 0, 0.7), 1)
        row[:3] = direction / np.linalg.norm(direction)
        row[3] = rng.choice(SHARPNESS)
        row[4:] = rng.uniform(-0.12, 0.9) * (1 + rng.normal(0, 0.05, 3))
    return rows


def backdrop(rng: np.random.Generator) -> Floats:
    """What is seen past the table: floor and walls with dark and bright furniture, out of focus.

    Returns:
        (96, 128, 3) float32 linear light, to be stretched over the picture.
    """
    small = np.empty((24, 32, 3), np.float32)
    small[:] = rng.uniform(0.02, 0.7) * (1 + rng.normal(0, 0.08, 3))
    for _ in range(int(rng.integers(0, 12))):
        x, y, w, h = (
            int(rng.integers(0, 30)),
            int(rng.integers(0, 22)),
            int(rng.integers(2, 16)),
            int(rng.integers(2, 12)),
        )
        small[y : y + h, x : x + w] = np.square(
            rng.uniform(0, 1, 3) if rng.random() < 0.4 else np.full(3, rng.uniform(0, 1))
        )
    middle = cv2.resize(small, (128, 96), interpolation=cv2.INTER_NEAREST)
    return cv2.GaussianBlur(middle, (0, 0), rng.uniform(0.2, 2.5)).astype(np.float32)


@dataclass(frozen=True)
class Light:
    """All the light of a scene: a key light with shadows, a fill light, what the room sends, what mirrors see."""

    axes: Floats
    """(3, 3) float32 unit rows towards the right and down, as the key light sees the table, and towards that light."""
    key: Floats
    """(3,) float32 RGB of the key light."""
    fill: Floats
    """(7,) float32: direction towards the fill light, unused, RGB."""
    ambient: Floats
    """(2, 3) float32 RGB of the light from below and from above."""
    lobes: Floats
    """(L, 7) float32, see `lamps.environment`."""
    softness: float
    """Blur of shadows, in pixels of the shadow map of `scene.render`."""
    contact_blur: float
    """Blur of the darkening where things touch the table, likewise."""
    contact_strength: float
    """Share of the room's light that is missing right under a thing."""

    @classmethod
    def draw(cls, rng: np.random.Generator, table: Floats) -> Light:
        """Draw the light over a table of this material."""
        direction = np.array([*rng.normal(0, 0.55, 2), 1.0])
        direction /= np.linalg.norm(direction)
        side = np.cross(direction, [0.0, 1.0, 0.1])
        side /= np.linalg.norm(side)
        axes = np.stack([side, np.cross(side, direction), direction]).astype(np.float32)
        contact_blur, contact_strength = rng.uniform(2, 7), rng.uniform(0.3, 0.8)
        key, ambient = rng.uniform(0.15, 1.0), rng.uniform(0.35, 0.9)
        warmth = 1 + rng.normal(0, 0.06, 3)
        fill = np.zeros(7, np.float32)
        fill[:3] = rng.normal((0, 0, 1), 1)
        fill[:3] /= np.linalg.norm(fill[:3])
        fill[4:] = rng.uniform(0, 0.3)
        sky = ambient * (1 + rng.normal(0, 0.04, 3))
        lobes = light_lobes(rng, table[:3] * (0.6 * ambient + 0.5 * key))
        return cls(
            axes=axes,
            key=(key * warmth).astype(np.float32),
            fill=fill,
            ambient=np.stack([sky * 0.55 * (0.5 + 0.5 * table[:3]), sky]).astype(np.float32),
            lobes=lobes,
            softness=float(rng.uniform(0.5, 4)),
            contact_blur=contact_blur,
            contact_strength=contact_strength,
        )
