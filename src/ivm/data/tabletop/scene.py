"""A table with things on it, drawn from a seed, and its picture with one id per object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop import lamps, raster, shading
from ivm.data.tabletop.camera import photograph
from ivm.data.tabletop.layout import Layout, Solid, Thing, draw_layout
from ivm.data.tabletop.options import SceneOptions
from ivm.data.tabletop.shapes import Floats, Mesh

__all__ = ["CONTACT_SCALE", "Scene", "SceneOptions", "Thing", "contact", "render", "trace"]

SHADOW_PIXELS = 384
SHADOW_SCALE = 2.4
"""Pixels of the shadow map a centimetre: it covers 160 cm."""

CONTACT_PIXELS = 192
CONTACT_SCALE = 1.2
"""Pixels of the map of contacts a centimetre."""

CONTACT_REACH = 12.0
"""Height above the table, in cm, from which a thing takes no light from it."""


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
    options: SceneOptions = SceneOptions(),  # noqa: B008 - it is frozen
    *,
    wanted: Sequence[Thing] | None = None,
    supersample: int = 2,
) -> Scene:
    """Draw a scene from a seed and take its picture.

    Args:
        seed: the same seed gives the same scene on any machine.
        options: what may lie on the table, and the size of the picture.
        wanted: lay these on the table, as far as there is room, instead of things drawn from the seed; none for an
            empty table.
        supersample: samples per pixel and axis.

    Raises:
        MissingExtraError: numba is not installed.
    """
    rng = np.random.default_rng(seed)
    layout = draw_layout(rng, options, wanted=wanted)
    light, ids = trace(layout, options.width, options.height, supersample)
    return Scene(photograph(light, rng), ids, layout.things)


def _nothing() -> Solid:
    """A triangle without area, which is never drawn: it stands in where a table is empty."""
    point = np.zeros((3, 3), np.float32)
    mesh = Mesh(point, point, np.array([[0, 1, 2]], np.int32), np.zeros(1, np.int32))
    materials = [np.zeros(shading.MATERIAL_COLUMNS, np.float32)]
    return Solid(mesh, np.eye(3, dtype=np.float32), 1.0, point[0], mesh, point, point[0], materials, 0)


def _from_light(points: Floats, faces: NDArray[np.int32], axes: Floats) -> Floats:
    """Nearness (S, S) to the key light, `lamps.NEAR_FULL` and the height along the light; 0 for nothing."""
    screen = points @ axes.T
    screen[:, :2] *= SHADOW_SCALE
    screen += np.array([SHADOW_PIXELS / 2, SHADOW_PIXELS / 2, lamps.NEAR_FULL], np.float32)
    nearness: Floats = raster.rasterize(screen, faces, SHADOW_PIXELS, SHADOW_PIXELS)[1]
    return nearness


def _double(array: Floats) -> NDArray[np.float64]:
    """For sums in double precision: the compiled code would convert each number each time."""
    return array.astype(np.float64)


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
        (CONTACT_PIXELS, CONTACT_PIXELS) float32 shares, `CONTACT_SCALE` pixels a centimetre about the origin.
    """
    if world is None or faces is None:
        world, faces = _gather(layout.solids or [_nothing()])
    # Seen from below: what is nearer to the table hides what is above it, and what is far above it is not seen.
    screen = world * np.array([CONTACT_SCALE, CONTACT_SCALE, -1 / CONTACT_REACH], np.float32)
    screen += np.array([CONTACT_PIXELS / 2, CONTACT_PIXELS / 2, 1], np.float32)
    near = raster.rasterize(screen, faces, CONTACT_PIXELS, CONTACT_PIXELS)[1]
    near *= near * near * layout.light.contact_strength
    blur = layout.light.contact_blur * (CONTACT_SCALE / SHADOW_SCALE)
    dark: Floats = cv2.GaussianBlur(near, (0, 0), blur)
    return dark


def trace(layout: Layout, width: int, height: int, supersample: int = 1) -> tuple[Floats, NDArray[np.uint8]]:
    """Draw a scene: linear light (height, width, 3) float32 and ids (height, width) uint8."""
    camera, light, solids = layout.camera, layout.light, layout.solids or (_nothing(),)
    world, faces = _gather(solids)
    slots = np.cumsum([0, *(len(solid.materials) for solid in solids)])
    material_of = np.concatenate([s.mesh.parts + slot for s, slot in zip(solids, slots, strict=False)]).astype(np.int32)
    id_of = np.concatenate([np.full(len(s.mesh.faces), s.id, np.uint8) for s in solids])
    past = layout.backdrop
    if not camera.sees_only(layout.table_size, width / height):
        past = cv2.resize(past, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    columns, rows = width * supersample, height * supersample
    screen = camera.project(world, columns, rows)
    face = raster.rasterize(screen, faces, rows, columns)[0]
    surfaces = shading.Surfaces(
        screen,
        world,
        np.concatenate([s.mesh.normals for s in solids]),
        np.concatenate([s.local for s in solids]),
        faces,
        material_of,
    )
    shadow = _from_light(world, faces, light.axes)
    shaded: Floats = shading.shade(
        face,
        shading.Lens(_double(camera.axes), camera.focal * columns, _double(camera.eye)),
        surfaces,
        _double(np.stack([*(m for s in solids for m in s.materials), layout.table])),
        shading.Lamps(
            _double(light.axes),
            _double(light.key),
            _double(light.fill),
            _double(light.ambient),
            _double(light.lobes),
            shadow,
            SHADOW_SCALE,
            light.softness,
        ),
        shading.Ground(layout.table_size, contact(layout, world, faces), CONTACT_SCALE, past),
        supersample,
    )
    middle = face[supersample // 2 :: supersample, supersample // 2 :: supersample]
    return shaded, np.where(middle >= 0, id_of[middle], 0).astype(np.uint8)
