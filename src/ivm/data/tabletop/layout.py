"""What a scene is made of, drawn from a seed: things and their places, camera, table, light. Renderers draw it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivm.data.tabletop.camera import Camera
from ivm.data.tabletop.kinds import KINDS, PLASTIC, Kind
from ivm.data.tabletop.look import Light, backdrop, material, table_material
from ivm.data.tabletop.options import SceneOptions
from ivm.data.tabletop.shapes import Floats, Mesh, rotation
from ivm.data.tabletop.shelf import Workshop

Places = list[tuple[float, float, float, float]]
"""Where things lie: x, y, radius and height above the table, in cm."""

UNNAMED = 255
"""Id of what no instruction names: an arm, a hand."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene, as an instruction may name it."""

    kind: str
    color: str
    inside: int | None = None
    """Id of the object that it lies in or on, if any."""


@dataclass(frozen=True)
class Solid:
    """A mesh in its place, with the materials of its parts."""

    shape: Mesh
    """As it was built; `mesh` is `scale` times this, turned by `turn`, then shifted by `place`."""
    turn: Floats
    """(3, 3) float32 rotation."""
    scale: float
    place: Floats
    """(3,) float32, centimetres."""
    mesh: Mesh
    """In the world."""
    local: Floats
    """(V, 3) float32: where patterns see its vertices, in cm; `origin` away from where they are in the world."""
    origin: Floats
    """(3,) float32."""
    materials: list[Floats]
    """One for each part, see `look.material`."""
    id: int


@dataclass(frozen=True)
class Layout:
    """Everything that a renderer needs to draw a scene."""

    camera: Camera
    things: tuple[Thing, ...]
    solids: tuple[Solid, ...]
    """What stands on the table and moves above it; the solid of `things[i]` has the id i + 1."""
    table: Floats
    """Material of the table, which is the plane z = 0."""
    table_size: Floats
    """(2,) float32 half-sizes in cm."""
    light: Light
    backdrop: Floats
    """(96, 128, 3) float32 linear light past the table, to be stretched over the picture."""


def draw_layout(
    rng: np.random.Generator,
    options: SceneOptions,
    *,
    wanted: Sequence[Thing] | None = None,
    workshop: Workshop | None = None,
) -> Layout:
    """Draw a scene.

    Args:
        rng: draws everything; the camera's faults are drawn from it afterwards.
        options: what may lie on the table, and the shape of the picture.
        wanted: lay these on the table, as far as there is room, instead of things drawn from the seed; none for an
            empty table.
        workshop: makes the specimens; by default each is built anew.
    """
    camera = Camera.draw(rng)
    count = int(rng.integers(options.fewest, options.most + 1))
    wanted = _draw_things(rng, count, options.everyday, options.kinds) if wanted is None else wanted
    things, solids = _furnish(rng, camera, options.aspect, wanted, workshop or Workshop())
    table = table_material(rng)
    light = Light.draw(rng, table)
    size = rng.uniform(35, 110, 2).astype(np.float32)
    return Layout(camera, tuple(things), tuple(solids), table, size, light, backdrop(rng))


def _draw_color(rng: np.random.Generator, kind: Kind) -> str:
    names = PLASTIC.split() if rng.random() < kind.any_color else kind.usual
    return str(rng.choice(names))


def _draw_things(rng: np.random.Generator, count: int, everyday: float, names: Sequence[str]) -> list[Thing]:
    """Choose what is on the table: often several things of one colour or of one kind, so that both words matter."""
    kinds, things = [kind for kind in KINDS.values() if not names or kind.name in names], list[Thing]()
    odds = np.array([kind.weight for kind in kinds]) ** everyday
    odds /= odds.sum()
    theme = str(rng.choice(PLASTIC.split())) if rng.random() < 0.5 else None
    for _ in range(count):
        draw = rng.random()
        if things and draw < 0.12:
            kind = KINDS[things[int(rng.integers(len(things)))].kind]
        elif things and draw < 0.22:
            last = KINDS[things[int(rng.integers(len(things)))].kind]
            alike = [name for name in last.resembles if not names or name in names]
            kind = KINDS[str(rng.choice(alike))] if alike else kinds[int(rng.choice(len(kinds), p=odds))]
        else:
            kind = kinds[int(rng.choice(len(kinds), p=odds))]
        color = _draw_color(rng, kind)
        if theme and rng.random() < 0.4 and (theme in kind.usual or kind.any_color >= 0.15):
            color = theme
        things.append(Thing(kind.name, color))
    return things


def _stand(rng: np.random.Generator, kind: Kind, shape: Mesh) -> tuple[Mesh, Floats, float, float]:
    """Put a specimen on z = 0, upright, lying or upside down, turned: the mesh, its turn, scale and rise."""
    turns = []
    draw = rng.random()
    if draw < kind.lie:
        turns.append(rotation("y", rng.uniform(80, 100)))
        if rng.random() < 0.5:
            turns.append(rotation("x", rng.uniform(-20, 20)))
    elif draw > 0.95 and kind.lie > 0:
        turns.append(rotation("x", 180))
    turns.append(rotation("z", rng.uniform(0, 360)))
    scale = float(rng.lognormal(0, 0.13))
    mesh, whole = shape, np.eye(3, dtype=np.float32)
    for turn in turns[:-1]:
        mesh, whole = mesh.moved(turn), turn @ whole
    mesh = mesh.moved(turns[-1], scale=scale)
    rise = -float(mesh.vertices[:, 2].min())
    return mesh.moved(offset=(0, 0, rise)), turns[-1] @ whole, scale, rise


def _furnish(
    rng: np.random.Generator, camera: Camera, aspect: float, wanted: Sequence[Thing], workshop: Workshop
) -> tuple[list[Thing], list[Solid]]:
    """Place the things within the camera's view, apart from each other or one inside another."""
    things: list[Thing] = []
    solids: list[Solid] = []
    places: Places = []
    for thing in wanted:
        kind = KINDS[thing.kind]
        shape = workshop.specimen(rng, kind)
        mesh, turn, scale, rise = _stand(rng, kind, shape)
        radius = _reach(mesh.vertices)
        base, inside = 0.0, None
        holders = [
            i for i, t in enumerate(things) if KINDS[t.kind].holds and places[i][2] > radius * 0.9 and places[i][3] == 0
        ]
        if holders and rng.random() < 0.3:
            inside = int(rng.choice(holders))
            x, y = places[inside][:2] + rng.normal(0, places[inside][2] * 0.15, 2)
            base = 0.8 + (rng.uniform(0, 2) if radius > places[inside][2] * 0.6 else 0)
        else:
            spot = _free_spot(rng, camera, aspect, radius, places)
            if spot is None:
                continue
            x, y = spot
        places.append((x, y, radius, base))
        origin, place = np.array([(x, y, base), (x, y, base + rise)], np.float32)
        colors = [thing.color, *(thing.color if part == "self" else part for part in kind.parts)]
        materials = [material(rng, color, kind.texture if i == 0 else "plain") for i, color in enumerate(colors)]
        things.append(Thing(thing.kind, thing.color, None if inside is None else inside + 1))
        placed = mesh.moved(offset=(x, y, base))
        solids.append(Solid(shape, turn, scale, place, placed, mesh.vertices, origin, materials, len(things)))
    return things, solids + _arms(rng, camera, aspect, workshop)


def _reach(vertices: Floats) -> float:
    """Distance from the z axis within which nine tenths of the vertices are."""
    square = np.sort(vertices[:, 0] * vertices[:, 0] + vertices[:, 1] * vertices[:, 1])
    return math.sqrt(square[len(square) * 9 // 10])


def _arms(rng: np.random.Generator, camera: Camera, aspect: float, workshop: Workshop) -> list[Solid]:
    """Now and then a gripper or a hand above the table."""
    solids = []
    for name, chance in (("gripper", 0.45), ("hand", 0.1)):
        if rng.random() < chance:
            x, y = _view_point(rng, camera, aspect)
            shape, materials = workshop.arm(rng, name)
            turn = rotation("z", rng.uniform(0, 360))
            place = np.array((x, y, rng.uniform(1, 14)), np.float32)
            mesh = shape.moved(turn, offset=place.tolist())
            origin = np.zeros(3, np.float32)
            solids.append(Solid(shape, turn, 1.0, place, mesh, mesh.vertices, origin, materials, UNNAMED))
    return solids


def _view_point(rng: np.random.Generator, camera: Camera, aspect: float) -> tuple[float, float]:
    """A point of the table that the camera sees."""
    for _ in range(20):
        u, v = rng.uniform(-0.47, 0.47), rng.uniform(-0.42, 0.47) / aspect
        ray = u / camera.focal * camera.axes[0] + v / camera.focal * camera.axes[1] + camera.axes[2]
        if ray[2] < -0.05:
            reach = -float(camera.eye[2] / ray[2])
            x, y = (camera.eye + reach * ray)[:2]
            if reach < 190 and abs(x) < 75 and abs(y) < 75:
                return float(x), float(y)
    return float(rng.normal(0, 10)), float(rng.normal(0, 10))


def _free_spot(
    rng: np.random.Generator, camera: Camera, aspect: float, radius: float, places: Places
) -> tuple[float, float] | None:
    """A place where the thing touches few others, or None when the table is full."""
    slack = rng.uniform(0.5, 1.0)
    for _ in range(14):
        x, y = _view_point(rng, camera, aspect)
        if all(math.hypot(x - px, y - py) > slack * (radius + pr) for px, py, pr, base in places if base == 0):
            return x, y
    return None
