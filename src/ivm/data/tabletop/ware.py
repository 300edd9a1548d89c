"""Shapes of tableware, tools, blocks and toys (one builder a kind; see `kinds.py` for the conventions)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ivm.data.tabletop.shapes import (
    Floats,
    Mesh,
    Path2,
    arc,
    box,
    disc,
    ellipsoid,
    extrude,
    join,
    lathe,
    rotation,
    tube,
)

Rng = np.random.Generator


def shell(outside: Path2, wall: float, floor: float = 0.6) -> list[tuple[float, float]]:
    """Profile of an open vessel: up the outside, over the rim, down the inside to the bottom."""
    inside = [(max(r - wall, 0.05), max(z, floor)) for r, z in reversed(outside)]
    return [(0.05, outside[0][1]), *outside, *inside, (0.05, floor)]


def squarish(rng: Rng, most: float = 0.08) -> Callable[[Floats], Floats]:
    """A random rounding of the square kind: a factor on the radius at each angle."""
    amount, turn = rng.uniform(0, most), rng.uniform(0, np.pi)
    return lambda angle: (1 - amount * np.cos(4 * (angle - turn))).astype(np.float32)


def _loop(radius: float, thick: float, spread: float, height: float, turn: float) -> Mesh:
    """A wire loop that stands out sideways from radius `radius`."""
    path = [
        (radius - 0.3, -spread, height),
        (radius + 1.3, -spread, height + 0.4),
        (radius + 2, -spread * 0.6, height + 0.6),
        (radius + 2, spread * 0.6, height + 0.6),
        (radius + 1.3, spread, height + 0.4),
        (radius - 0.3, spread, height),
    ]
    return tube(path, thick, sides=6).moved(rotation("z", turn))


def cup(rng: Rng) -> Mesh:
    """A cup or mug, mostly with a handle."""
    top, height = rng.uniform(3.5, 4.6), rng.uniform(5.5, 9.5)
    foot = top * rng.uniform(0.65, 1.0)
    belly = rng.uniform(-0.1, 0.35)
    profile = [
        (foot * 0.9, 0),
        (foot, 0.3),
        (foot + (top - foot) * (0.4 + belly), height * 0.4),
        (top, height * 0.8),
        (top * rng.uniform(0.97, 1.06), height),
    ]
    body = lathe(shell(profile, 0.35), smooth=1)
    if rng.random() < 0.15:
        return body
    ring = [(x * rng.uniform(0.75, 1.0), y, z) for x, y, z in arc(height * 0.3, -105, 105)]
    handle = tube([(x + top * 0.86, y, z + height * 0.52) for x, y, z in ring], rng.uniform(0.35, 0.6), sides=8)
    return join(body, handle)


def bowl(rng: Rng) -> Mesh:
    """A bowl, round or squarish."""
    top, height = rng.uniform(6, 10.5), rng.uniform(3, 7.5)
    foot = top * rng.uniform(0.3, 0.6)
    profile = [(foot, 0), (foot * 1.1, 0.2), (top * rng.uniform(0.7, 0.9), height * 0.45), (top, height)]
    return lathe(shell(profile, 0.4), sides=36, smooth=2, warp=squarish(rng))


def plate(rng: Rng) -> Mesh:
    """A plate with a rim."""
    radius, height = rng.uniform(7, 12), rng.uniform(0.9, 2.2)
    well = radius * rng.uniform(0.55, 0.8)
    outside = [(well * 0.9, 0), (well, 0.25), (radius * 0.95, height * 0.85), (radius, height)]
    return lathe(shell(outside, 0.35, floor=0.45), sides=40, smooth=1)


def pan(rng: Rng) -> Mesh:
    """A frying pan: shallow, one long handle of wire or of one piece."""
    top, height = rng.uniform(8.5, 12.5), rng.uniform(2.5, 5)
    foot = top * rng.uniform(0.6, 0.85)
    body = lathe(shell([(foot, 0), (top * 0.9, height * 0.6), (top, height)], 0.3, 0.4), sides=40, smooth=1)
    length, rise = rng.uniform(9, 17), rng.uniform(0.5, 4)
    if rng.random() < 0.5:
        wide = rng.uniform(0.9, 1.6)
        path = [
            (top - 0.5, -wide, height * 0.7),
            (top + length * 0.7, -wide * 0.8, height + rise * 0.7),
            (top + length, 0, height + rise),
            (top + length * 0.7, wide * 0.8, height + rise * 0.7),
            (top - 0.5, wide, height * 0.7),
        ]
        handle = tube(path, rng.uniform(0.25, 0.45), sides=6)
    else:
        path = [
            (top - 0.5, 0, height * 0.7),
            (top + length * 0.4, 0, height + rise * 0.6),
            (top + length, 0, height + rise),
        ]
        handle = tube(path, [0.5, 0.8, rng.uniform(0.9, 1.2)], sides=8)
    return join(body, handle.part(int(rng.random() < 0.6)))


def pot(rng: Rng) -> Mesh:
    """A cooking pot with two handles."""
    radius, height = rng.uniform(6.5, 9.5), rng.uniform(6, 11)
    foot = radius * rng.uniform(0.85, 1.0)
    body = lathe(
        shell([(foot * 0.95, 0), (foot, 0.5), (radius, height - 0.4), (radius + 0.35, height)], 0.35), sides=36
    )
    handles = [_loop(radius, 0.35, rng.uniform(1.5, 2.6), height * 0.8, turn).part(1) for turn in (0, 180)]
    return join(body, *handles)


def lid(rng: Rng) -> Mesh:
    """A flat dome with a knob."""
    radius, height = rng.uniform(6, 10), rng.uniform(1.0, 2.5)
    dome = lathe([(radius, 0), (radius, 0.4), (radius * 0.7, height * 0.7), (0.05, height)], sides=36, smooth=1)
    knob = ellipsoid(1.3, 1.3, 0.8).moved(offset=(0, 0, height + 0.7)).part(1)
    return join(dome, knob)


def goblet(rng: Rng) -> Mesh:
    """A stemmed glass."""
    top, height, stem = rng.uniform(2.8, 4), rng.uniform(12, 18), rng.uniform(0.4, 0.6)
    waist = height * rng.uniform(0.4, 0.55)
    profile = [
        (0.05, 0),
        (top * 0.9, 0),
        (top * 0.85, 0.3),
        (stem, 1.0),
        (stem, waist),
        (top * 0.9, waist + 2),
        (top, height * 0.8),
        (top * 0.95, height),
        (top * 0.88, height),
        (top * 0.85, waist + 2.4),
        (0.05, waist + 1),
    ]
    return lathe(profile, sides=24, smooth=1)


def bottle(rng: Rng) -> Mesh:
    """A bottle with a cap."""
    radius, height = rng.uniform(2.8, 4), rng.uniform(14, 22)
    neck, shoulder = radius * rng.uniform(0.3, 0.5), height * rng.uniform(0.5, 0.7)
    body = lathe(
        [
            (0.05, 0),
            (radius * 0.95, 0),
            (radius, 0.6),
            (radius, shoulder),
            (neck, shoulder + radius * 1.3),
            (neck, height),
            (0.05, height),
        ],
        sides=24,
        smooth=1,
    )
    cap = disc(neck * 1.15, 1.6, sides=16).moved(offset=(0, 0, height - 0.8)).part(1)
    return join(body, cap)


def jar(rng: Rng) -> Mesh:
    """A jar with a broad lid."""
    radius, height = rng.uniform(3, 4.5), rng.uniform(6, 10)
    body = lathe([(0.05, 0), (radius, 0), (radius, height * 0.85), (radius * 0.8, height), (0.05, height)], smooth=1)
    return join(body, disc(radius * 0.88, 1.6).moved(offset=(0, 0, height - 0.3)).part(1))


def vase(rng: Rng) -> Mesh:
    """A vase with a belly."""
    height, belly = rng.uniform(11, 18), rng.uniform(3.5, 5.5)
    neck = belly * rng.uniform(0.35, 0.6)
    profile = [(belly * 0.5, 0), (belly, height * rng.uniform(0.25, 0.45)), (neck, height * 0.75), (neck * 1.5, height)]
    return lathe(shell(profile, 0.3), smooth=2)


def teapot(rng: Rng) -> Mesh:
    """A pot with spout, handle and lid."""
    radius = rng.uniform(5, 6.5)
    high = radius * rng.uniform(0.7, 0.95)
    body = ellipsoid(radius, radius, high, sides=28).moved(offset=(0, 0, high))
    spout = tube(
        [(radius * 0.8, 0, high * 0.8), (radius * 1.3, 0, high * 1.1), (radius * 1.6, 0, high * 1.7)], [1.2, 0.8, 0.5]
    )
    ring = [(-x - radius * 0.8, y, z * 0.9 + high) for x, y, z in arc(radius * 0.62, -100, 100)]
    knob = ellipsoid(0.9, 0.9, 0.8).moved(offset=(0, 0, high * 2 + 0.4))
    return join(body, spout, tube(ring, 0.5, sides=8).part(1), knob.part(1))


def spoon(rng: Rng) -> Mesh:
    """A spoon, lying."""
    length = rng.uniform(12, 22)
    head = ellipsoid(rng.uniform(2.4, 3.4), rng.uniform(1.6, 2.3), 0.5).moved(offset=(0, 0, 0.6))
    path = [(2.5, 0, 0.6), (length * 0.5, 0, 1.2), (length, 0, 0.7)]
    return join(head, tube(path, [0.35, 0.4, 0.65], sides=6))


def fork(rng: Rng) -> Mesh:
    """A fork, lying."""
    length = rng.uniform(12, 18)
    tines = [tube([(-4, y, 0.5), (0.2, y, 0.5)], [0.15, 0.22], sides=5) for y in (-1.0, -0.33, 0.33, 1.0)]
    return join(
        *tines,
        box(1.6, 2.5, 0.4).moved(offset=(0.8, 0, 0.3)),
        tube([(1.4, 0, 0.5), (length * 0.5, 0, 1), (length, 0, 0.6)], [0.35, 0.4, 0.6], sides=6),
    )


def knife(rng: Rng) -> Mesh:
    """A kitchen knife, lying flat."""
    length, wide = rng.uniform(10, 17), rng.uniform(1.4, 3)
    blade = extrude([(0, -wide / 2), (length * 0.7, -wide / 2), (length, wide / 2), (0, wide / 2)], 0.3)
    handle = ellipsoid(rng.uniform(4.5, 6), 1.0, 0.8, square=0.5).moved(offset=(-4.5, 0, 0.7)).part(1)
    return join(blade.moved(offset=(0, 0, 0.5)), handle)


def spatula(rng: Rng) -> Mesh:
    """A turner with a flat blade, lying."""
    length, wide = rng.uniform(14, 20), rng.uniform(5, 7)
    blade = extrude([(0, -wide / 2), (wide * 1.2, -wide * 0.45), (wide * 1.2, wide * 0.45), (0, wide / 2)], 0.4)
    return join(blade, tube([(0, 0, 0.3), (-length * 0.3, 0, 1.4), (-length, 0, 1)], [0.4, 0.45, 0.8], sides=7).part(1))


def tray(rng: Rng) -> Mesh:
    """A flat open box."""
    x, y, high, wall = rng.uniform(16, 26), rng.uniform(12, 18), rng.uniform(1.5, 6), 0.7
    sides = [box(x, wall, high).moved(offset=(0, s * y / 2, 0)) for s in (-1, 1)]
    ends = [box(wall, y, high).moved(offset=(s * x / 2, 0, 0)) for s in (-1, 1)]
    return join(box(x, y, 0.6), *sides, *ends)


def bucket(rng: Rng) -> Mesh:
    """A bucket with a bail."""
    top, height = rng.uniform(5.5, 8), rng.uniform(8, 12)
    foot = top * rng.uniform(0.65, 0.85)
    body = lathe(shell([(foot, 0), (top, height * 0.93), (top + 0.4, height)], 0.35))
    bail = [(x * 1.02, y, height * 0.9 + z * rng.uniform(0.5, 0.9)) for x, y, z in arc(top, 0, 180, points=13)]
    return join(body, tube(bail, 0.25, sides=6).part(1))


def can(rng: Rng) -> Mesh:
    """A tin or drink can."""
    radius, height = rng.uniform(3, 4.3), rng.uniform(6, 12.5)
    side = lathe([(radius * 0.93, 0.2), (radius, 0.6), (radius, height - 0.6), (radius * 0.93, height - 0.2)])
    ends = [disc(radius * 0.93, 0.3).moved(offset=(0, 0, z)).part(1) for z in (0, height - 0.4)]
    return join(side, *ends)


def sponge(rng: Rng) -> Mesh:
    """A sponge, mostly with a scouring side."""
    x, y, z = rng.uniform(4, 5.5), rng.uniform(2.6, 3.8), rng.uniform(1, 1.6)
    body = ellipsoid(x, y, z, square=0.25).moved(offset=(0, 0, z))
    pad = ellipsoid(x, y, 0.5, square=0.25).moved(offset=(0, 0, 2 * z + 0.2))
    return join(body, pad.part(int(rng.random() < 0.6)))


def block(rng: Rng) -> Mesh:
    """A block or cube."""
    side = rng.uniform(2.8, 5.5)
    if rng.random() < 0.4:
        return box(side, side, side)
    return box(side * rng.uniform(1.2, 2.4), side, side * rng.uniform(0.6, 1.2))


def cylinder(rng: Rng) -> Mesh:
    """A solid cylinder."""
    return disc(rng.uniform(1.6, 4), rng.uniform(3, 9))


def cone(rng: Rng) -> Mesh:
    """A cone."""
    radius, height = rng.uniform(2.5, 4.5), rng.uniform(5, 10)
    return lathe([(0.05, 0), (radius, 0), (radius, 0.1), (0.1, height)])


def pyramid(rng: Rng) -> Mesh:
    """A four-sided pyramid."""
    half, height = rng.uniform(2.5, 4), rng.uniform(3.5, 6)
    return lathe([(0.05, 0), (half * 1.41, 0), (half * 1.41, 0.05), (0.05, height)], sides=4)


def star(rng: Rng) -> Mesh:
    """A five-pointed star, lying or standing."""
    radius, depth = rng.uniform(3, 5.5), rng.uniform(0.45, 0.6)
    points = [
        (r * np.cos(a), r * np.sin(a))
        for a, r in zip(np.arange(10) * np.pi / 5, [radius, radius * depth] * 5, strict=True)
    ]
    return extrude(points, rng.uniform(1, 2.5))


def ring(rng: Rng) -> Mesh:
    """A torus, lying."""
    thick = rng.uniform(0.8, 1.6)
    radius = rng.uniform(2.2, 4) + thick
    profile = [(radius + thick * np.cos(a), thick + thick * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 13)]
    return lathe([(float(r), float(z)) for r, z in profile])


def tape(rng: Rng) -> Mesh:
    """A roll of tape."""
    radius, high = rng.uniform(3.5, 5.5), rng.uniform(1.5, 5)
    inner = radius * rng.uniform(0.55, 0.8)
    roll = lathe([(inner, 0), (radius, 0), (radius, high), (inner, high)], sides=32)
    core = lathe([(inner, high), (inner - 0.3, high), (inner - 0.3, 0), (inner, 0)], sides=32)
    return join(roll, core.part(1))


def metal_bar(rng: Rng) -> Mesh:
    """A bar of aluminium profile with grooves, or a plain rod."""
    length, side = rng.uniform(14, 28), rng.uniform(2, 4.5)
    body = box(length, side, side * rng.uniform(0.5, 1.0))
    height = float(body.vertices[:, 2].max())
    groove = [box(length, side * 0.16, 0.12).moved(offset=(0, side * y, height)).part(1) for y in (-0.25, 0.25)]
    front = [box(length, 0.12, height * 0.2).moved(offset=(0, s * side / 2, height * 0.4)).part(1) for s in (-1, 1)]
    return join(body, *groove, *front)


def carton(rng: Rng) -> Mesh:
    """A closed box."""
    return box(rng.uniform(5, 13), rng.uniform(4, 10), rng.uniform(4, 14))


def book(rng: Rng) -> Mesh:
    """A book, lying."""
    x, y, z = rng.uniform(11, 19), rng.uniform(8, 14), rng.uniform(1, 3.5)
    pages = box(x - 0.6, y - 0.6, z - 0.5).moved(offset=(0.2, 0, 0.25)).part(1)
    covers = [box(x, y, 0.3).moved(offset=(0, 0, h)) for h in (0, z - 0.3)]
    return join(pages, *covers, box(0.4, y, z).moved(offset=(-x / 2, 0, 0)))


def phone(rng: Rng) -> Mesh:
    """A phone or remote control, lying."""
    x, y = rng.uniform(12, 18), rng.uniform(4.5, 8)
    body = ellipsoid(x / 2, y / 2, 0.6, square=0.2).moved(offset=(0, 0, 0.6))
    if rng.random() < 0.5:
        return join(body, box(x * 0.85, y * 0.85, 0.05).moved(offset=(0, 0, 1.2)).part(1))
    keys = [
        disc(0.5, 0.2, sides=8).moved(offset=(u, v, 1.15)).part(1)
        for u in np.linspace(-x * 0.35, x * 0.35, 6)
        for v in (-y * 0.25, 0, y * 0.25)
    ]
    return join(body, *keys)


def pen(rng: Rng) -> Mesh:
    """A pen, lying."""
    length, thick = rng.uniform(12, 16), rng.uniform(0.5, 1.1)
    body = tube([(0, 0, thick), (length * 0.65, 0, thick)], thick, sides=9)
    cap = tube(
        [(length * 0.65, 0, thick), (length * 0.95, 0, thick), (length, 0, thick)], [thick * 1.1, thick, 0.2], sides=9
    )
    return join(body, cap.part(1))


def screwdriver(rng: Rng) -> Mesh:
    """A screwdriver, lying."""
    handle = ellipsoid(rng.uniform(4, 6), 1.5, 1.5, square=0.6).moved(offset=(0, 0, 1.5))
    shaft = tube([(4, 0, 1.5), (rng.uniform(11, 17), 0, 1.2)], 0.4, sides=7)
    return join(handle, shaft.part(1))


def hammer(rng: Rng) -> Mesh:
    """A hammer, lying."""
    length = rng.uniform(15, 24)
    handle = tube([(0, 0, 1.2), (length, 0, 1.2)], [0.7, 0.95], sides=8)
    head = tube([(0, -4.5, 1.3), (0, -2, 1.3), (0, 2, 1.3), (0, 4, 1.3)], [0.5, 1.2, 1.4, 1.5], sides=9)
    return join(handle, head.part(1))


def scissors(rng: Rng) -> Mesh:
    """Scissors, a little open."""
    spread = rng.uniform(6, 18)
    blade = extrude([(0, -0.6), (9, -0.1), (9, 0.1), (0, 0.6)], 0.3).part(1)
    eye = lathe([(1.5 + 0.5 * np.cos(a), 0.5 + 0.5 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 7)], sides=14)
    half = join(blade, eye.moved(offset=(-2.3, 0, 0)))
    return join(half.moved(rotation("z", spread)), half.moved(rotation("z", -spread), offset=(0, 0, 0.3)))


def brush(rng: Rng) -> Mesh:
    """A flat brush, lying."""
    length, wide = rng.uniform(10, 16), rng.uniform(2.5, 5)
    handle = tube([(0, 0, 0.8), (length, 0, 0.8)], [0.9, 0.5], sides=8)
    return join(handle, box(5, wide, 1.2).moved(offset=(-2.5, 0, 0.2)).part(1))


def ball(rng: Rng) -> Mesh:
    """A ball."""
    radius = rng.uniform(2, 4.8)
    return ellipsoid(radius, radius, radius, rows=14).moved(offset=(0, 0, radius))


def duck(rng: Rng) -> Mesh:
    """A bath duck."""
    body = ellipsoid(rng.uniform(3.4, 4.2), rng.uniform(2.6, 3.2), 2.4).moved(offset=(0, 0, 2.2))
    tail = tube([(-2.5, 0, 3), (-4.3, 0, 4.6)], [1.3, 0.3])
    radius = rng.uniform(1.8, 2.3)
    x, z = rng.uniform(1.2, 2.0), 5.4
    head = ellipsoid(radius, radius, radius).moved(offset=(x, 0, z))
    beak = ellipsoid(1.1, 1.0, 0.45, sides=10, rows=7).moved(offset=(x + radius + 0.3, 0, z - 0.4)).part(1)
    eyes = [
        ellipsoid(0.32, 0.32, 0.4, sides=8, rows=6).moved(offset=(x + radius * 0.7, s * radius * 0.6, z + 0.5)).part(2)
        for s in (-1, 1)
    ]
    wings = [ellipsoid(1.8, 0.6, 1.1, sides=10, rows=7).moved(offset=(-0.6, s * 2.6, 2.6)) for s in (-1, 1)]
    return join(body, tail, head, beak, *eyes, *wings)


def toy_car(rng: Rng) -> Mesh:
    """A toy car or truck."""
    length, wide = rng.uniform(7, 11), rng.uniform(3.5, 5)
    body = ellipsoid(length / 2, wide / 2, 1.2, square=0.35).moved(offset=(0, 0, 2))
    cabin = ellipsoid(length * 0.25, wide * 0.42, 1.3, square=0.4).moved(offset=(rng.uniform(-1, 1), 0, 3.3)).part(2)
    wheel = disc(1.1, 0.8, sides=14).moved(rotation("x", 90))
    wheels = [wheel.moved(offset=(s * length * 0.3, t * wide / 2 + 0.4, 1.1)).part(1) for s in (-1, 1) for t in (-1, 1)]
    return join(body, cabin, *wheels)


WARE_SHAPES: dict[str, Callable[[Rng], Mesh]] = {
    "cup": cup,
    "bowl": bowl,
    "plate": plate,
    "pan": pan,
    "pot": pot,
    "lid": lid,
    "goblet": goblet,
    "bottle": bottle,
    "jar": jar,
    "vase": vase,
    "teapot": teapot,
    "spoon": spoon,
    "fork": fork,
    "knife": knife,
    "spatula": spatula,
    "tray": tray,
    "bucket": bucket,
    "can": can,
    "sponge": sponge,
    "block": block,
    "cylinder": cylinder,
    "cone": cone,
    "pyramid": pyramid,
    "star": star,
    "ring": ring,
    "tape": tape,
    "metal bar": metal_bar,
    "box": carton,
    "book": book,
    "phone": phone,
    "pen": pen,
    "screwdriver": screwdriver,
    "hammer": hammer,
    "scissors": scissors,
    "brush": brush,
    "ball": ball,
    "duck": duck,
    "toy car": toy_car,
}
"""Builder of each kind, by its name."""
