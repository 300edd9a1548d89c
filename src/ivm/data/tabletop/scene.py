"""A table with things on it, drawn from a seed, and its picture with one id per object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop import raster
from ivm.data.tabletop.camera import photograph
from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.kinds import KINDS, PLASTIC, Kind
from ivm.data.tabletop.look import backdrop, light_lobes, material, table_material
from ivm.data.tabletop.robot import gripper, hand
from ivm.data.tabletop.shapes import Floats, Mesh, rotation

SHADOW_PIXELS = 384
SHADOW_SCALE = 2.4
"""Pixels of the shadow map a centimetre: it covers 160 cm."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene, as an instruction may name it."""

    kind: str
    color: str
    inside: int | None = None
    """Id of the object that it lies in or on, if any."""


@dataclass(frozen=True)
class Scene:
    """A rendered scene."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    ids: NDArray[np.uint8]
    """(H, W) uint8; 0 is table or room, i + 1 is `things[i]`, 255 is what no instruction names (an arm, a hand)."""
    things: tuple[Thing, ...]


@dataclass
class _Solid:
    """A mesh in its place, with the materials of its parts."""

    mesh: Mesh
    local: Floats
    materials: list[Floats]
    id: int


def _nothing() -> _Solid:
    """A triangle without area, which is never drawn: it stands in where a table is empty."""
    point = np.zeros((3, 3), np.float32)
    mesh = Mesh(point, point, np.array([[0, 1, 2]], np.int32), np.zeros(1, np.int32))
    return _Solid(mesh, point, [np.zeros(raster.MATERIAL_COLUMNS, np.float32)], 0)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; `axes` rows are right, down and forward in the world."""

    eye: Floats
    axes: Floats
    focal: float
    """Focal length in units of the picture's width."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Camera:
        """Draw a camera that looks at a table from where a person or a robot would look."""
        elevation, turn = math.radians(rng.uniform(24, 78)), rng.uniform(0, 2 * math.pi)
        distance = rng.uniform(36, 95)
        back = np.array(
            [math.cos(elevation) * math.cos(turn), math.cos(elevation) * math.sin(turn), math.sin(elevation)]
        )
        forward = -back
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        roll = math.radians(rng.normal(0, 4))
        down = np.cross(forward, right)
        right, down = right * math.cos(roll) + down * math.sin(roll), down * math.cos(roll) - right * math.sin(roll)
        target = np.array([*rng.normal(0, 6, 2), rng.uniform(0, 6)])
        axes = np.stack([right, down, forward]).astype(np.float32)
        return cls((target + distance * back).astype(np.float32), axes, rng.uniform(0.8, 1.3))

    def project(self, points: Floats, width: int, height: int) -> Floats:
        """Map (V, 3) world points to rows for `raster.rasterize`: column, row, depth, 1/depth."""
        seen = (points - self.eye) @ self.axes.T
        depth = seen[:, 2]
        inverse = 1 / np.where(depth > 1, depth, 1)
        scale = self.focal * width
        return np.stack(
            [
                seen[:, 0] * inverse * scale + width / 2,
                seen[:, 1] * inverse * scale + height / 2,
                np.where(depth > 1, depth, -1),
                inverse,
            ],
            1,
        ).astype(np.float32)


def render(
    seed: int | tuple[int, ...],
    *,
    width: int = 256,
    height: int = 192,
    fewest: int = 3,
    most: int = 18,
    everyday: float = 1.0,
    kinds: Sequence[str] = (),
    wanted: Sequence[Thing] | None = None,
    supersample: int = 2,
) -> Scene:
    """Draw a scene from a seed and take its picture.

    Args:
        seed: the same seed gives the same scene on any machine.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        fewest: least number of objects on the table.
        most: greatest number of objects on the table.
        everyday: how much likelier common kinds are: their weights (`kinds.Kind.weight`) are taken to this power.
        kinds: names of the only kinds that are laid on the table; none for all.
        wanted: lay these on the table, as far as there is room, instead of things drawn from the seed; none for an
            empty table.
        supersample: samples per pixel and axis.

    Raises:
        MissingExtraError: numba is not installed.
    """
    rng = np.random.default_rng(seed)
    camera = Camera.draw(rng)
    count = int(rng.integers(fewest, most + 1))
    wanted = _draw_things(rng, count, everyday, kinds) if wanted is None else wanted
    things, solids = _furnish(rng, camera, width / height, wanted)
    light, ids = _trace(rng, camera, solids or [_nothing()], width * supersample, height * supersample)
    small = cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA) if supersample > 1 else light
    image = photograph(small, rng)
    offset = supersample // 2
    return Scene(image, np.ascontiguousarray(ids[offset::supersample, offset::supersample]), tuple(things))


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


def _stand(rng: np.random.Generator, kind: Kind) -> Mesh:
    """Build a specimen, upright, lying or upside down, turned, on z = 0."""
    mesh = kind.build(rng)
    draw = rng.random()
    if draw < kind.lie:
        mesh = mesh.moved(rotation("y", rng.uniform(80, 100)))
        mesh = mesh.moved(rotation("x", rng.uniform(-20, 20)) if rng.random() < 0.5 else None)
    elif draw > 0.95 and kind.lie > 0:
        mesh = mesh.moved(rotation("x", 180))
    mesh = mesh.moved(rotation("z", rng.uniform(0, 360)), scale=float(rng.lognormal(0, 0.13)))
    return mesh.moved(offset=(0, 0, -float(mesh.vertices[:, 2].min())))


def _furnish(
    rng: np.random.Generator, camera: Camera, aspect: float, wanted: Sequence[Thing]
) -> tuple[list[Thing], list[_Solid]]:
    """Place the things within the camera's view, apart from each other or one inside another."""
    things: list[Thing] = []
    solids: list[_Solid] = []
    places: list[tuple[float, float, float, float]] = []
    for thing in wanted:
        kind = KINDS[thing.kind]
        mesh = _stand(rng, kind)
        radius = float(np.percentile(np.linalg.norm(mesh.vertices[:, :2], axis=1), 90))
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
        placed = mesh.moved(offset=(x, y, base))
        colors = [thing.color, *(thing.color if part == "self" else part for part in kind.parts)]
        materials = [material(rng, color, kind.texture if i == 0 else "plain") for i, color in enumerate(colors)]
        things.append(Thing(thing.kind, thing.color, None if inside is None else inside + 1))
        solids.append(_Solid(placed, mesh.vertices, materials, len(things)))
    for maker, chance in ((gripper, 0.45), (hand, 0.1)):
        if rng.random() < chance:
            x, y = _view_point(rng, camera, aspect)
            mesh, materials = maker(rng)
            mesh = mesh.moved(rotation("z", rng.uniform(0, 360)), offset=(x, y, rng.uniform(1, 14)))
            solids.append(_Solid(mesh, mesh.vertices, materials, 255))
    return things, solids


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
    rng: np.random.Generator,
    camera: Camera,
    aspect: float,
    radius: float,
    places: list[tuple[float, float, float, float]],
) -> tuple[float, float] | None:
    """A place where the thing touches few others, or None when the table is full."""
    slack = rng.uniform(0.5, 1.0)
    for _ in range(14):
        x, y = _view_point(rng, camera, aspect)
        if all(math.hypot(x - px, y - py) > slack * (radius + pr) for px, py, pr, base in places if base == 0):
            return x, y
    return None


def _shadow_map(points: Floats, faces: NDArray[np.int32], axes: Floats) -> Floats:
    """Depth (S, S) of the nearest surface along the axis `axes[2]`, infinite where there is none."""
    seen = points @ axes.T
    screen = np.empty((len(points), 4), np.float32)
    screen[:, :2] = seen[:, :2] * SHADOW_SCALE + SHADOW_PIXELS / 2
    screen[:, 2], screen[:, 3] = 500 - seen[:, 2], 1
    depth: Floats = raster.rasterize(screen, faces, SHADOW_PIXELS, SHADOW_PIXELS)[2]
    return depth


def _trace(
    rng: np.random.Generator, camera: Camera, solids: list[_Solid], width: int, height: int
) -> tuple[Floats, NDArray[np.uint8]]:
    """Render the solids: linear light (height, width, 3) float32 and ids (height, width) uint8."""
    starts = np.cumsum([0, *(len(solid.mesh.vertices) for solid in solids)])
    slots = np.cumsum([0, *(len(solid.materials) for solid in solids)])
    faces = np.concatenate([s.mesh.faces + start for s, start in zip(solids, starts, strict=False)]).astype(np.int32)
    world = np.concatenate([s.mesh.vertices for s in solids])
    material_of = np.concatenate([s.mesh.parts + slot for s, slot in zip(solids, slots, strict=False)]).astype(np.int32)
    id_of = np.concatenate([np.full(len(s.mesh.faces), s.id, np.uint8) for s in solids])

    table = table_material(rng)
    direction = np.array([*rng.normal(0, 0.55, 2), 1.0])
    direction /= np.linalg.norm(direction)
    side = np.cross(direction, [0.0, 1.0, 0.1])
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(direction, side), direction]).astype(np.float32)
    shadow = _shadow_map(world, faces, axes)
    down = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)
    lowest = _shadow_map(world, faces, down) - 500
    near = np.where(np.isfinite(lowest), np.exp(-np.maximum(lowest, 0) / 3), 0).astype(np.float32)
    contact = cv2.GaussianBlur(near, (0, 0), rng.uniform(2, 7)) * rng.uniform(0.3, 0.8)

    key, ambient = rng.uniform(0.15, 1.0), rng.uniform(0.35, 0.9)
    warmth = 1 + rng.normal(0, 0.06, 3)
    fill = np.zeros(7, np.float32)
    fill[:3] = rng.normal((0, 0, 1), 1)
    fill[:3] /= np.linalg.norm(fill[:3])
    fill[4:] = rng.uniform(0, 0.3)
    sky = ambient * (1 + rng.normal(0, 0.04, 3))
    lit_table = table[:3] * (0.6 * ambient + 0.5 * key)
    face, weights, _ = raster.rasterize(camera.project(world, width, height), faces, height, width)
    light: Floats = raster.shade(
        face,
        weights,
        faces,
        world,
        np.concatenate([s.mesh.normals for s in solids]),
        np.concatenate([s.local for s in solids]),
        material_of,
        np.stack([m for s in solids for m in s.materials]),
        camera.axes,
        camera.focal * width,
        camera.eye,
        axes,
        (key * warmth).astype(np.float32),
        fill,
        np.stack([sky * 0.55 * (0.5 + 0.5 * table[:3]), sky]).astype(np.float32),
        light_lobes(rng, lit_table),
        shadow,
        SHADOW_SCALE,
        float(rng.uniform(0.5, 4)),
        contact.astype(np.float32),
        table,
        rng.uniform(35, 110, 2).astype(np.float32),
        backdrop(rng, width, height),
    )
    return light, np.where(face >= 0, id_of[face], 0).astype(np.uint8)


def names_of(thing: Thing) -> dict[str, Any]:
    """Describe a thing for a sidecar file: its kind, colour, and other names of both."""
    return {
        "kind": thing.kind,
        "color": thing.color,
        "kind_also": KINDS[thing.kind].also,
        "color_also": COLORS[thing.color].also,
    }
