"""Shapes of fruit, vegetables and other food (one builder a kind; see `kinds.py` for the conventions)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ivm.data.tabletop.shapes import Floats, Mesh, arc, box, ellipsoid, extrude, join, lathe, rotation, tube

Rng = np.random.Generator


def _stem(height: float, length: float, thick: float = 0.35) -> Mesh:
    return tube(
        [(0, 0, height - 0.5), (0.1, 0, height + length * 0.6), (0.5, 0, height + length)], thick, sides=6
    ).part(1)


def _calyx(height: float, radius: float, leaves: int = 5) -> Mesh:
    """Green leaves around a stem."""
    points = [
        (r * np.cos(a), r * np.sin(a))
        for a, r in zip(np.arange(2 * leaves) * np.pi / leaves, [radius, radius * 0.35] * leaves, strict=True)
    ]
    return extrude(points, 0.25).moved(offset=(0, 0, height)).part(1)


def pepper(rng: Rng) -> Mesh:
    """A bell pepper: three or four lobes, a stem; standing or lying."""
    radius, height = rng.uniform(3.2, 4.4), rng.uniform(6, 9)
    lobes, depth, turn = int(rng.integers(3, 5)), rng.uniform(0.06, 0.16), rng.uniform(0, 6)

    def warp(angle: Floats) -> Floats:
        return (1 - depth + depth * np.abs(np.sin(lobes * angle / 2 + turn)) * 2).astype(np.float32)

    profile = [
        (0.1, 0.6),
        (radius * 0.6, 0),
        (radius * 0.8, height * 0.2),
        (radius, height * 0.7),
        (radius * 0.85, height * 0.97),
        (radius * 0.3, height),
        (0.1, height - 0.9),
    ]
    mesh = join(lathe(profile, sides=32, smooth=2, warp=warp), _stem(height - 0.3, rng.uniform(1.5, 3), 0.45))
    if rng.random() < 0.55:
        mesh = mesh.moved(rotation("y", rng.uniform(70, 110)))
        mesh = mesh.moved(offset=(0, 0, -float(mesh.vertices[:, 2].min())))
    return mesh


def chili(rng: Rng) -> Mesh:
    """A long hot pepper, curved, lying."""
    length, bend, thick = rng.uniform(9, 18), rng.uniform(-4, 4), rng.uniform(0.9, 1.7)
    t = np.linspace(0, 1, 11)
    path = np.stack([t * length, bend * 4 * t * (t - 1) * 0.5, thick + t * rng.uniform(-0.4, 1.2)], 1)
    body = tube(path, thick * np.sqrt(np.clip(1.02 - t, 0, 1)) * np.where(t < 0.1, 0.85, 1), sides=10)
    stem = tube([(0.3, 0, thick), (-1, 0.2, thick * 1.1), (-3, 0.6, thick * 1.3)], [thick * 0.75, 0.4, 0.3], sides=7)
    return join(body, stem.part(1))


def eggplant(rng: Rng) -> Mesh:
    """An aubergine, lying."""
    length, thick, bend = rng.uniform(9, 15), rng.uniform(2.3, 3.4), rng.uniform(-1.5, 1.5)
    t = np.linspace(0, 1, 13)
    radius = thick * np.sin(np.pi * np.clip(0.12 + 0.86 * t**0.75, 0, 1)) ** 0.6 * (0.6 + 0.4 * t)
    path = np.stack([t * length, bend * np.sin(np.pi * t), np.full_like(t, thick * 0.95)], 1)
    cap = tube([(1.4, 0, thick), (0, 0, thick), (-0.5, 0, thick)], [radius[2] * 1.12, radius[0] * 1.3, 0.6], sides=9)
    stem = tube([(-0.4, 0, thick), (-2.3, 0, thick + 0.6)], [0.5, 0.35], sides=6)
    return join(tube(path, radius, sides=16), cap.part(1), stem.part(1))


def cheese(rng: Rng) -> Mesh:
    """A wedge with holes, or a flat slice."""
    if rng.random() < 0.4:
        x = rng.uniform(6, 9)
        return box(x, x * rng.uniform(0.75, 1.1), rng.uniform(0.4, 1.2))
    length, wide, high = rng.uniform(6.5, 10), rng.uniform(4, 7), rng.uniform(2.5, 5)
    wedge = extrude([(0, -wide / 2), (length, -wide * rng.uniform(0, 0.2)), (length, 0.3), (0, wide / 2)], high)
    if rng.random() < 0.4:
        wedge = wedge.moved(rotation("x", 90)).moved(offset=(0, high / 2, wide / 2))
    return wedge.moved(offset=(-length / 2, 0, 0))


def tomato_slice(rng: Rng) -> Mesh:
    """A flat slice of tomato with its seed chambers raised."""
    radius, high = rng.uniform(3.8, 5.5), rng.uniform(0.6, 1.5)
    rim = lathe(
        [(0.05, 0), (radius * 0.95, 0), (radius, high / 2), (radius * 0.95, high), (0.05, high)], sides=36, smooth=1
    )
    count = int(rng.integers(5, 8))
    seeds = [
        ellipsoid(radius * 0.2, radius * 0.12, 0.25, sides=10, rows=6)
        .moved(
            rotation("z", 360 * i / count + 90),
            (radius * 0.6 * np.cos(2 * np.pi * i / count), radius * 0.6 * np.sin(2 * np.pi * i / count), high),
        )
        .part(1)
        for i in range(count)
    ]
    return join(rim, *seeds)


def tomato(rng: Rng) -> Mesh:
    """A whole tomato."""
    radius = rng.uniform(2.2, 4)
    high = radius * rng.uniform(0.75, 0.95)
    return join(ellipsoid(radius, radius, high).moved(offset=(0, 0, high)), _calyx(2 * high - 0.15, radius * 0.6))


def apple(rng: Rng) -> Mesh:
    """An apple."""
    r = rng.uniform(3, 4.2)
    profile = [
        (0.1, 0.5),
        (r * 0.5, 0),
        (r * 0.95, r * 0.6),
        (r, r * 1.1),
        (r * 0.75, r * 1.75),
        (r * 0.3, r * 1.8),
        (0.1, r * 1.4),
    ]
    return join(lathe(profile, smooth=2), _stem(r * 1.5, 1.3, 0.2))


def orange(rng: Rng) -> Mesh:
    """An orange."""
    radius = rng.uniform(2.8, 4)
    return ellipsoid(radius, radius, radius * 0.95, rows=14).moved(offset=(0, 0, radius * 0.95))


def lemon(rng: Rng) -> Mesh:
    """A lemon, lying."""
    length, radius = rng.uniform(3.4, 4.4), rng.uniform(2.3, 2.9)
    t = np.linspace(-1, 1, 15)
    shape = radius * np.sqrt(np.clip(1 - t**2, 0, 1)) * 0.96 + 0.3 * (np.abs(t) > 0.9)
    return tube(np.stack([t * length, 0 * t, np.full_like(t, radius)], 1), shape, sides=16)


def pear(rng: Rng) -> Mesh:
    """A pear."""
    r, h = rng.uniform(2.8, 3.6), rng.uniform(7, 9.5)
    profile = [(0.1, 0.3), (r * 0.6, 0), (r, h * 0.28), (r * 0.75, h * 0.58), (r * 0.42, h * 0.85), (0.1, h)]
    return join(lathe(profile, smooth=2), _stem(h, 1.5, 0.2))


def banana(rng: Rng) -> Mesh:
    """A banana, lying."""
    radius, span = rng.uniform(8, 12), rng.uniform(75, 110)
    path = np.array(arc(radius, 0, span, points=13, plane="xy")) + np.array([-radius * 0.8, -radius * 0.6, 1.6])
    thick = rng.uniform(1.3, 1.8) * np.array([0.35, 0.75, 0.95, *[1.0] * 7, 0.9, 0.6, 0.3])
    tip = tube([path[-1], path[-1] + (path[-1] - path[-2]) * 0.8], [0.55, 0.45], sides=6).part(1)
    return join(tube(path, thick, sides=7), tip)


def strawberry(rng: Rng) -> Mesh:
    """A strawberry, standing on its tip side up or lying."""
    r, h = rng.uniform(1.6, 2.4), rng.uniform(3, 4.2)
    return join(
        lathe([(0.1, 0), (r * 0.5, h * 0.25), (r, h * 0.75), (r * 0.7, h), (0.1, h)], smooth=2),
        _calyx(h - 0.1, r * 0.9),
    )


def carrot(rng: Rng) -> Mesh:
    """A carrot with leaves, lying."""
    length, thick = rng.uniform(9, 16), rng.uniform(1.2, 2)
    body = tube([(0, 0, thick), (length * 0.5, 0, thick * 0.8), (length, 0, thick * 0.5)], [thick, thick * 0.75, 0.2])
    leaves = [
        tube([(0, 0, thick), (-4, y, thick + z)], [0.4, 0.5], sides=6).part(1)
        for y, z in ((-1.3, 1), (0, 1.6), (1.3, 0.6))
    ]
    return join(body, *leaves)


def cucumber(rng: Rng) -> Mesh:
    """A cucumber, lying."""
    length, thick, bend = rng.uniform(11, 18), rng.uniform(1.6, 2.4), rng.uniform(-1.5, 1.5)
    t = np.linspace(0, 1, 12)
    path = np.stack([t * length - length / 2, bend * np.sin(np.pi * t), np.full_like(t, thick)], 1)
    return tube(path, thick * np.clip(np.sin(np.pi * t) * 3, 0.5, 1) ** 0.7, sides=12)


def corn(rng: Rng) -> Mesh:
    """An ear of corn with some husk, lying."""
    length, thick = rng.uniform(11, 16), rng.uniform(1.8, 2.5)
    t = np.linspace(0, 1, 9)
    cob = tube(np.stack([t * length, 0 * t, np.full_like(t, thick)], 1), thick * np.sqrt(1.03 - t**3), sides=12)
    husk = tube([(3.5, 0, thick), (0, 0, thick), (-3, 0, thick)], [thick * 1.1, thick * 1.1, 0.6], sides=10)
    return join(cob, husk.part(1))


def mushroom(rng: Rng) -> Mesh:
    """A mushroom."""
    r, h = rng.uniform(2.2, 3.6), rng.uniform(3.5, 5.5)
    cap = lathe([(0.3, h * 0.6), (r, h * 0.6), (r * 0.95, h * 0.8), (r * 0.5, h), (0.05, h)], smooth=1)
    return join(cap, tube([(0, 0, 0), (0, 0, h * 0.7)], [r * 0.42, r * 0.35], sides=12).part(1))


def egg(rng: Rng) -> Mesh:
    """An egg."""
    r = rng.uniform(2, 2.5)
    t = np.linspace(-np.pi / 2, np.pi / 2, 13)
    return lathe(
        [
            (max(r * float(np.cos(a)), 0.05), r * 1.32 * (1 + float(np.sin(a)) * (1 + 0.08 * float(np.sin(a)))))
            for a in t
        ]
    )


def bread(rng: Rng) -> Mesh:
    """A slice or loaf of bread, lying."""
    wide, high, length = rng.uniform(4.5, 6), rng.uniform(4.5, 6), rng.choice([1.4, 9.0])
    top = [(wide * np.cos(a) * 0.55, high * 0.6 + high * 0.35 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
    crust = extrude([(-wide * 0.48, 0), (wide * 0.48, 0), *top], float(length))
    face = extrude([(x * 0.88, y * 0.88 + 0.3) for x, y in [(-wide * 0.48, 0), (wide * 0.48, 0), *top]], 0.1)
    return join(crust, face.moved(offset=(0, 0, float(length))).part(1))


def drumstick(rng: Rng) -> Mesh:
    """A roasted chicken leg, lying."""
    thick = rng.uniform(2, 2.9)
    meat = tube(
        [(-3.5, 0, thick), (-2, 0, thick), (0, 0.3, thick), (2.5, 0.6, thick * 0.8), (5, 0.5, thick * 0.6)],
        [thick * 0.5, thick * 0.95, thick, thick * 0.65, 0.8],
        sides=12,
    )
    bone = join(
        tube([(4.8, 0.5, thick * 0.6), (7, 0.4, 0.9)], 0.5, sides=7),
        ellipsoid(0.8, 1.0, 0.7, sides=8, rows=6).moved(offset=(7.2, 0.4, 0.8)),
    )
    return join(meat, bone.part(int(rng.random() < 0.6)))


def donut(rng: Rng) -> Mesh:
    """A ring of dough with icing."""
    thick = rng.uniform(1.3, 1.9)
    radius = thick * rng.uniform(1.6, 2.0)
    ring = [
        (radius + thick * float(np.cos(a)), thick + thick * float(np.sin(a))) for a in np.linspace(-np.pi, np.pi, 15)
    ]
    icing = [
        (radius + thick * 1.06 * float(np.cos(a)), thick + thick * 1.06 * float(np.sin(a)))
        for a in np.linspace(0.2, 2.94, 9)
    ]
    return join(lathe(icing), lathe(ring).part(1))


def broccoli(rng: Rng) -> Mesh:
    """A floret of broccoli."""
    stem = tube([(0, 0, 0), (0, 0, 4)], [1.0, 1.4]).part(1)
    heads = [
        ellipsoid(r, r, r * 0.8, rows=8, sides=12).moved(offset=(x, y, 4.5 + z))
        for x, y, z, r in zip(
            rng.normal(0, 1.5, 6), rng.normal(0, 1.5, 6), rng.uniform(-0.6, 1, 6), rng.uniform(1.4, 2.2, 6), strict=True
        )
    ]
    return join(stem, *heads)


FOOD_SHAPES: dict[str, Callable[[Rng], Mesh]] = {
    "pepper": pepper,
    "chili pepper": chili,
    "eggplant": eggplant,
    "cheese": cheese,
    "tomato slice": tomato_slice,
    "tomato": tomato,
    "apple": apple,
    "orange": orange,
    "lemon": lemon,
    "pear": pear,
    "banana": banana,
    "strawberry": strawberry,
    "carrot": carrot,
    "cucumber": cucumber,
    "corn": corn,
    "mushroom": mushroom,
    "egg": egg,
    "bread": bread,
    "drumstick": drumstick,
    "donut": donut,
    "broccoli": broccoli,
}
"""Builder of each kind, by its name."""
