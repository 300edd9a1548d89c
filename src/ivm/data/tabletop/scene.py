"""A table with things on it, drawn from a seed, and its picture with one id per object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop import raster
from ivm.data.tabletop.camera import Camera, photograph
from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.layout import Layout, Solid, Thing, describe
from ivm.data.tabletop.shapes import Floats, Mesh

__all__ = [
    "SHADOW_PIXELS",
    "SHADOW_SCALE",
    "Camera",
    "Scene",
    "Thing",
    "contact",
    "names_of",
    "render",
    "trace",
]

SHADOW_PIXELS = 384
SHADOW_SCALE = 2.4
"""Pixels of the shadow map a centimetre: it covers 160 cm."""

_DOWN = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)


@dataclass(frozen=True)
class Scene:
    """A rendered scene."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    ids: NDArray[np.uint8]
    """(H, W) uint8; 0 is table or room, i + 1 is `things[i]`, 255 is what no instruction names (an arm, a hand)."""
    things: tuple[Thing, ...]


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
    layout = describe(
        rng, aspect=width / height, fewest=fewest, most=most, everyday=everyday, kinds=kinds, wanted=wanted
    )
    light, ids = trace(layout, width * supersample, height * supersample)
    small = cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA) if supersample > 1 else light
    image = photograph(small, rng)
    offset = supersample // 2
    return Scene(image, np.ascontiguousarray(ids[offset::supersample, offset::supersample]), layout.things)


def _nothing() -> Solid:
    """A triangle without area, which is never drawn: it stands in where a table is empty."""
    point = np.zeros((3, 3), np.float32)
    mesh = Mesh(point, point, np.array([[0, 1, 2]], np.int32), np.zeros(1, np.int32))
    materials = [np.zeros(raster.MATERIAL_COLUMNS, np.float32)]
    return Solid(mesh, np.eye(3, dtype=np.float32), 1.0, point[0], mesh, point, point[0], materials, 0)


def _shadow_map(points: Floats, faces: NDArray[np.int32], axes: Floats) -> Floats:
    """Depth (S, S) of the nearest surface along the axis `axes[2]`, infinite where there is none."""
    seen = points @ axes.T
    screen = np.empty((len(points), 4), np.float32)
    screen[:, :2] = seen[:, :2] * SHADOW_SCALE + SHADOW_PIXELS / 2
    screen[:, 2], screen[:, 3] = 500 - seen[:, 2], 1
    depth: Floats = raster.rasterize(screen, faces, SHADOW_PIXELS, SHADOW_PIXELS)[2]
    return depth


def _gather(solids: Sequence[Solid]) -> tuple[Floats, NDArray[np.int32]]:
    """All vertices (V, 3) in the world and all faces (F, 3)."""
    starts = np.cumsum([0, *(len(solid.mesh.vertices) for solid in solids)])
    faces = np.concatenate([s.mesh.faces + start for s, start in zip(solids, starts, strict=False)]).astype(np.int32)
    return np.concatenate([s.mesh.vertices for s in solids]), faces


def contact(layout: Layout, world: Floats | None = None, faces: NDArray[np.int32] | None = None) -> Floats:
    """How much of the room's light things keep from the table under and beside them.

    Args:
        layout: the scene.
        world: (V, 3) float32 vertices of all its solids, gathered here where they are not given.
        faces: (F, 3) int32, likewise.

    Returns:
        (SHADOW_PIXELS, SHADOW_PIXELS) float32 shares, `SHADOW_SCALE` pixels a centimetre about the origin.
    """
    if world is None or faces is None:
        world, faces = _gather(layout.solids or [_nothing()])
    lowest = _shadow_map(world, faces, _DOWN) - 500
    near = np.where(np.isfinite(lowest), np.exp(-np.maximum(lowest, 0) / 3), 0).astype(np.float32)
    light = layout.light
    dark: Floats = (cv2.GaussianBlur(near, (0, 0), light.contact_blur) * light.contact_strength).astype(np.float32)
    return dark


def trace(layout: Layout, width: int, height: int) -> tuple[Floats, NDArray[np.uint8]]:
    """Draw a scene: linear light (height, width, 3) float32 and ids (height, width) uint8."""
    camera, light, solids = layout.camera, layout.light, layout.solids or (_nothing(),)
    world, faces = _gather(solids)
    slots = np.cumsum([0, *(len(solid.materials) for solid in solids)])
    material_of = np.concatenate([s.mesh.parts + slot for s, slot in zip(solids, slots, strict=False)]).astype(np.int32)
    id_of = np.concatenate([np.full(len(s.mesh.faces), s.id, np.uint8) for s in solids])
    past = layout.backdrop
    if not camera.sees_only(layout.table_size, width / height):
        past = cv2.resize(past, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    face, weights, _ = raster.rasterize(camera.project(world, width, height), faces, height, width)
    shaded: Floats = raster.shade(
        face,
        weights,
        faces,
        world,
        np.concatenate([s.mesh.normals for s in solids]),
        np.concatenate([s.local for s in solids]),
        material_of,
        np.stack([*(m for s in solids for m in s.materials), layout.table]),
        camera.axes,
        camera.focal * width,
        camera.eye,
        light.axes,
        light.key,
        light.fill,
        light.ambient,
        light.lobes,
        _shadow_map(world, faces, light.axes),
        SHADOW_SCALE,
        light.softness,
        contact(layout, world, faces),
        layout.table_size,
        past,
    )
    return shaded, np.where(face >= 0, id_of[face], 0).astype(np.uint8)


def names_of(thing: Thing) -> dict[str, Any]:
    """Describe a thing for a sidecar file: its kind, colour, and other names of both."""
    return {
        "kind": thing.kind,
        "color": thing.color,
        "kind_also": KINDS[thing.kind].also,
        "color_also": COLORS[thing.color].also,
    }
