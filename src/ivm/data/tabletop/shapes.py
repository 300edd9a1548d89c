"""Solids as triangle meshes: lathes, tubes, boxes, extrusions, ellipsoids. Lengths are centimetres, z is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Path2 = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Mesh:
    """Triangles with smooth normals; each triangle belongs to a part, and each part has a material of its own."""

    vertices: Floats
    """(V, 3) float32, centimetres."""
    normals: Floats
    """(V, 3) float32, unit length; a little shorter at the poles of a lathe. `raster.shade` makes them unit again."""
    faces: NDArray[np.int32]
    """(F, 3) int32 rows of `vertices`."""
    parts: NDArray[np.int32]
    """(F,) int32 part of each triangle, from 0."""

    def moved(self, rotation: Floats | None = None, offset: Sequence[float] = (0, 0, 0), scale: float = 1.0) -> Mesh:
        """Return the mesh scaled, turned by a (3, 3) rotation, then shifted."""
        vertices = self.vertices if scale == 1 else self.vertices * scale
        normals = self.normals
        if rotation is not None:
            vertices, normals = vertices @ rotation.T, (normals @ rotation.T).astype(np.float32)
        return Mesh((vertices + np.asarray(offset, np.float32)).astype(np.float32), normals, self.faces, self.parts)

    def part(self, index: int) -> Mesh:
        """Return the mesh with all its triangles in one part."""
        return Mesh(self.vertices, self.normals, self.faces, np.full(len(self.faces), index, np.int32))


def join(*meshes: Mesh) -> Mesh:
    """Put meshes together; parts keep their numbers."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]).astype(np.int32),
        np.concatenate([mesh.parts for mesh in meshes]),
    )


def rotation(axis: str, degrees: float) -> Floats:
    """Rotation matrix (3, 3) float32 about "x", "y" or "z", right-handed."""
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle), np.sin(angle)
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis], np.float32)


@lru_cache(maxsize=256)
def _grid_faces(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles (F, 3) of a grid of points; read-only, since many meshes share them."""
    top, left = np.arange(rows - 1)[:, None] * columns, np.arange(columns)[None]
    right = (left + 1) % columns
    a, b, c, d = (top + left), (top + right), (top + columns + left), (top + columns + right)
    faces = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], 2).reshape(-1, 3).astype(np.int32)
    faces.setflags(write=False)
    return faces


def _grid(points: Floats) -> Mesh:
    """Mesh of a (rows, columns, 3) grid of points; the last column is joined to the first."""
    rows, columns, _ = points.shape
    along, around = np.empty_like(points), np.empty_like(points)
    along[1:-1] = (points[2:] - points[:-2]) / 2.0
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    around[:, 1:-1] = points[:, 2:] - points[:, :-2]
    around[:, 0], around[:, -1] = points[:, 1] - points[:, -1], points[:, 0] - points[:, -2]
    (u, v, w), (x, y, z) = np.moveaxis(around, -1, 0), np.moveaxis(along, -1, 0)
    normals = np.stack([v * z - w * y, w * x - u * z, u * y - v * x], -1)
    square = normals * normals
    length = np.sqrt(square[..., 0] + square[..., 1] + square[..., 2])[..., None]
    # A pole of the grid has no normal of its own: it takes that of the next row.
    flat = length[..., 0] < 1e-9
    normals = np.where(length > 1e-9, normals / np.maximum(length, 1e-9), 0)
    for row, neighbour in ((0, 1), (rows - 1, rows - 2)):
        if flat[row].any():
            normals[row] = normals[neighbour].mean(axis=0)
    faces = _grid_faces(rows, columns)
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        faces,
        np.zeros(len(faces), np.int32),
    )


def lathe(profile: Path2, *, sides: int = 28, warp: Callable[[Floats], Floats] | None = None, smooth: int = 0) -> Mesh:
    """Turn a profile of (radius, height) points about the z axis.

    Args:
        profile: from the bottom outwards; a bowl goes up outside and comes down inside.
        sides: points around.
        warp: maps angles in radians, (sides,), to factors on the radius, (sides,).
        smooth: corner-cutting rounds (Chaikin's) on the profile.
    """
    line = np.asarray(profile, np.float64)
    for _ in range(smooth):
        quarter, three = 0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]
        line = np.concatenate([line[:1], np.stack([quarter, three], 1).reshape(-1, 2), line[-1:]])
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    factor = np.ones(sides) if warp is None else warp(angle.astype(np.float32))
    radius = line[:, :1] * factor[None]
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.repeat(line[:, 1:], sides, 1)], -1)
    return _grid(points.astype(np.float32))


def ellipsoid(rx: float, ry: float, rz: float, *, square: float = 1.0, rows: int = 12, sides: int = 20) -> Mesh:
    """Superellipsoid with the given half-axes; `square` = 1 is an ellipsoid, towards 0 a box with round edges."""

    def power(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sign(values) * np.abs(values) ** square

    up = np.linspace(-np.pi / 2, np.pi / 2, rows)[:, None]
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None]
    points = np.stack(
        [
            rx * power(np.cos(up)) * power(np.cos(turn)),
            ry * power(np.cos(up)) * power(np.sin(turn)),
            rz * power(np.sin(up)) + 0 * turn,
        ],
        -1,
    )
    return _grid(points.astype(np.float32))


def tube(path: ArrayLike, radius: ArrayLike, *, sides: int = 10) -> Mesh:
    """Sweep a circle along a path of 3-D points; `radius` may vary along it. Ends are closed by a cone."""
    line = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(line),)).copy()
    forward = np.gradient(line, axis=0)
    forward /= np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-9)
    helper = np.eye(3)[np.argmin(np.abs(forward).max(axis=0))]
    side = np.cross(forward, helper)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(forward, side)
    line = np.concatenate([line[:1], line, line[-1:]])
    side, up = (np.concatenate([axis[:1], axis, axis[-1:]]) for axis in (side, up))
    radii = np.concatenate([[0], radii, [0]])
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    mesh = _grid((line[:, None] + radii[:, None, None] * ring).astype(np.float32))
    mesh.normals[:sides], mesh.normals[-sides:] = -forward[0], forward[-1]
    return mesh


def extrude(outline: Path2, height: float) -> Mesh:
    """Raise a star-shaped outline (seen from its mean point) from z = 0 to `height`, with flat sides."""
    line = np.asarray(outline, np.float32)
    if np.sum(line[:, 0] * np.roll(line[:, 1], -1) - line[:, 1] * np.roll(line[:, 0], -1)) < 0:
        line = line[::-1]
    count, middle = len(line), line.mean(axis=0)
    vertices: list[tuple[float, ...]] = []
    normals: list[tuple[float, ...]] = []
    faces: list[tuple[int, int, int]] = []
    for z, sign in ((0.0, -1.0), (height, 1.0)):
        start = len(vertices)
        vertices += [(*middle, z), *((x, y, z) for x, y in line)]
        normals += [(0, 0, sign)] * (count + 1)
        faces += [(start, start + 1 + i, start + 1 + (i + 1) % count) for i in range(count)]
    for i in range(count):
        (x0, y0), (x1, y1) = line[i], line[(i + 1) % count]
        start = len(vertices)
        outward = np.array([y1 - y0, x0 - x1, 0]) / max(float(np.hypot(y1 - y0, x0 - x1)), 1e-9)
        vertices += [(x0, y0, 0), (x1, y1, 0), (x0, y0, height), (x1, y1, height)]
        normals += [tuple(outward)] * 4
        faces += [(start, start + 1, start + 2), (start + 1, start + 3, start + 2)]
    return Mesh(
        np.array(vertices, np.float32),
        np.array(normals, np.float32),
        np.array(faces, np.int32),
        np.zeros(len(faces), np.int32),
    )


def box(x: float, y: float, z: float) -> Mesh:
    """A box centred on the z axis that stands on z = 0."""
    return extrude([(-x / 2, -y / 2), (x / 2, -y / 2), (x / 2, y / 2), (-x / 2, y / 2)], z)


def disc(radius: float, height: float, *, sides: int = 28) -> Mesh:
    """A solid cylinder that stands on z = 0."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    return extrude([(radius * np.cos(a), radius * np.sin(a)) for a in angle], height)


def arc(radius: float, start: float, stop: float, *, points: int = 9, plane: str = "xz") -> list[tuple[float, ...]]:
    """Points on a circle about the origin, angles in degrees, in the plane "xz" or "xy"."""
    angles = np.deg2rad(np.linspace(start, stop, points))
    rows = [(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in angles]
    return [(u, 0.0, v) if plane == "xz" else (u, v, 0.0) for u, v in rows]
