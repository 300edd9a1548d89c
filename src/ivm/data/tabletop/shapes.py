"""Solids as triangle meshes: lathes, tubes, boxes, extrusions, ellipsoids. Lengths are centimetres, z is up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivm.core.extras import optional

numba = optional("numba", extra="data")

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Path2 = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Mesh:
    """Triangles with smooth normals; each triangle belongs to a part, and each part has a material of its own."""

    vertices: Floats
    """(V, 3) float32, centimetres."""
    normals: Floats
    """(V, 3) float32, unit length; a little shorter at the poles of a lathe. `shading.shade` makes them unit again."""
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


@lru_cache(maxsize=64)
def _circle(sides: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Angles around a circle with their cosines and sines, (sides,) each; read-only, since many shapes share them."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    found = angle, np.cos(angle), np.sin(angle)
    for array in found:
        array.setflags(write=False)
    return found


@numba.njit(cache=True, error_model="numpy")
def _normals(points: Floats) -> Floats:
    """Normals (rows, columns, 3) float32 of a grid of points whose last column is joined to the first."""
    rows, columns, _ = points.shape
    normals = np.zeros((rows, columns, 3), np.float32)
    flat = np.zeros((rows, columns), np.bool_)
    for row in range(rows):
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        for column in range(columns):
            left, right = (column - 1) % columns, (column + 1) % columns
            u = points[row, right, 0] - points[row, left, 0]
            v = points[row, right, 1] - points[row, left, 1]
            w = points[row, right, 2] - points[row, left, 2]
            x = points[below, column, 0] - points[above, column, 0]
            y = points[below, column, 1] - points[above, column, 1]
            z = points[below, column, 2] - points[above, column, 2]
            nx, ny, nz = v * z - w * y, w * x - u * z, u * y - v * x
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            flat[row, column] = length < 1e-9
            if not flat[row, column]:
                normals[row, column, 0] = nx / length
                normals[row, column, 1] = ny / length
                normals[row, column, 2] = nz / length
    # A pole of the grid has no normal of its own: it takes that of the next row.
    for row, neighbour in ((0, 1), (rows - 1, rows - 2)):
        if flat[row].any():
            for c in range(3):
                normals[row, :, c] = normals[neighbour, :, c].mean()
    return normals


def _grid(points: Floats) -> Mesh:
    """Mesh of a (rows, columns, 3) grid of points; the last column is joined to the first."""
    rows, columns, _ = points.shape
    faces = _grid_faces(rows, columns)
    normals = _normals(points)
    return Mesh(points.reshape(-1, 3), normals.reshape(-1, 3), faces, np.zeros(len(faces), np.int32))


@numba.njit(cache=True, error_model="numpy")
def _smoothed(line_P2: Doubles, rounds: int) -> Doubles:
    """Cut the corners of a line (Chaikin, Computer Graphics and Image Processing 3, 1974); its ends stay."""
    for _ in range(rounds):
        points = len(line_P2)
        out = np.empty((2 * points, 2))
        out[0], out[2 * points - 1] = line_P2[0], line_P2[points - 1]
        for p in range(points - 1):
            for c in range(2):
                out[2 * p + 1, c] = 0.75 * line_P2[p, c] + 0.25 * line_P2[p + 1, c]
                out[2 * p + 2, c] = 0.25 * line_P2[p, c] + 0.75 * line_P2[p + 1, c]
        line_P2 = out
    return line_P2


def lathe(profile: Path2, *, sides: int = 28, warp: Callable[[Floats], Floats] | None = None, smooth: int = 0) -> Mesh:
    """Turn a profile of (radius, height) points about the z axis.

    Args:
        profile: from the bottom outwards; a bowl goes up outside and comes down inside.
        sides: points around.
        warp: maps angles in radians, (sides,), to factors on the radius, (sides,).
        smooth: corner-cutting rounds (Chaikin's) on the profile.
    """
    line = _smoothed(np.array(profile, np.float64), smooth)
    angle, cosine, sine = _circle(sides)
    radius = line[:, :1] if warp is None else line[:, :1] * warp(angle.astype(np.float32))
    points = np.empty((len(line), sides, 3), np.float32)
    points[..., 0], points[..., 1], points[..., 2] = radius * cosine, radius * sine, line[:, 1:]
    return _grid(points)


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


@numba.njit(cache=True, error_model="numpy")
def _rings(line_P3: Floats, radius_P: Floats, cosine_S: Floats, sine_S: Floats) -> tuple[Floats, Doubles]:
    """Circles about the points of a path, with the point before the first and behind the last; the path's directions.

    Returns:
        (P + 2, S, 3) float32 and (P, 3) float64.
    """
    points, sides = len(line_P3), len(cosine_S)
    forward_P3 = np.empty((points, 3))
    for p in range(points):
        before, after = max(p - 1, 0), min(p + 1, points - 1)
        for c in range(3):
            forward_P3[p, c] = line_P3[after, c] - line_P3[before, c]
        length = max(math.sqrt((forward_P3[p] ** 2).sum()), 1e-9)
        forward_P3[p] /= length
    # The axis to which the path comes least near: no direction of the path is along it.
    axis, least = 0, np.inf
    for c in range(3):
        most = np.abs(forward_P3[:, c]).max()
        if most < least:
            axis, least = c, most
    second, third = (axis + 1) % 3, (axis + 2) % 3
    out = np.empty((points + 2, sides, 3), np.float32)
    side, up = np.zeros(3), np.zeros(3)
    for p in range(points):
        fx, fy, fz = forward_P3[p, axis], forward_P3[p, second], forward_P3[p, third]
        length = max(math.sqrt(fy * fy + fz * fz), 1e-9)
        side[axis], side[second], side[third] = 0.0, fz / length, -fy / length
        up[axis] = fy * side[third] - fz * side[second]
        up[second] = -fx * side[third]
        up[third] = fx * side[second]
        for s in range(sides):
            for c in range(3):
                out[p + 1, s, c] = line_P3[p, c] + radius_P[p] * (cosine_S[s] * side[c] + sine_S[s] * up[c])
    for s in range(sides):
        out[0, s], out[points + 1, s] = line_P3[0], line_P3[points - 1]
    return out, forward_P3


def tube(path: ArrayLike, radius: ArrayLike, *, sides: int = 10) -> Mesh:
    """Sweep a circle along a path of 3-D points; `radius` may vary along it. Ends are closed by a cone."""
    line = np.asarray(path, np.float64)
    radii = np.full(len(line), radius, np.float64)
    points, forward = _rings(line, radii, *_circle(sides)[1:])
    mesh = _grid(points)
    mesh.normals[:sides], mesh.normals[-sides:] = -forward[0], forward[-1]
    return mesh


def extrude(outline: ArrayLike, height: float) -> Mesh:
    """Raise a star-shaped outline (seen from its mean point) from z = 0 to `height`, with flat sides."""
    line = np.asarray(outline, np.float32)
    if np.sum(line[:, 0] * np.roll(line[:, 1], -1) - line[:, 1] * np.roll(line[:, 0], -1)) < 0:
        line = line[::-1]
    vertices, normals = _walls(np.ascontiguousarray(line), float(height))
    faces = _wall_faces(len(line))
    return Mesh(vertices, normals, faces, np.zeros(len(faces), np.int32))


@numba.njit(cache=True, error_model="numpy")
def _walls(line: Floats, height: float) -> tuple[Floats, Floats]:
    """Vertices and normals of `extrude`: bottom, top, each with its middle first, then four a side."""
    count = len(line)
    vertices, normals = np.zeros((6 * count + 2, 3), np.float32), np.zeros((6 * count + 2, 3), np.float32)
    middle_x, middle_y = line[:, 0].mean(), line[:, 1].mean()
    for top in range(2):
        start = top * (count + 1)
        vertices[start, 0], vertices[start, 1] = middle_x, middle_y
        vertices[start + 1 : start + 1 + count, :2] = line
        vertices[start : start + 1 + count, 2] = top * height
        normals[start : start + 1 + count, 2] = 2 * top - 1
    for i in range(count):
        j, start = (i + 1) % count, 2 * count + 2 + 4 * i
        along_x, along_y = line[j, 0] - line[i, 0], line[j, 1] - line[i, 1]
        length = max(math.sqrt(along_x * along_x + along_y * along_y), 1e-9)
        normals[start : start + 4, 0], normals[start : start + 4, 1] = along_y / length, -along_x / length
        for k in range(4):
            end = j if k % 2 else i
            vertices[start + k, 0], vertices[start + k, 1] = line[end, 0], line[end, 1]
            vertices[start + k, 2] = height if k > 1 else 0.0
    return vertices, normals


@lru_cache(maxsize=64)
def _wall_faces(count: int) -> NDArray[np.int32]:
    """Triangles (F, 3) of the vertices of `_walls`, counter-clockwise from outside; read-only."""
    faces = []
    for i in range(count):
        here, after = 1 + i, 1 + (i + 1) % count
        faces += [(0, after, here), (count + 1, count + 1 + here, count + 1 + after)]
    for start in range(2 * count + 2, 6 * count + 2, 4):
        faces += [(start, start + 1, start + 2), (start + 1, start + 3, start + 2)]
    array = np.array(faces, np.int32)
    array.setflags(write=False)
    return array


def box(x: float, y: float, z: float) -> Mesh:
    """A box centred on the z axis that stands on z = 0."""
    return extrude([(-x / 2, -y / 2), (x / 2, -y / 2), (x / 2, y / 2), (-x / 2, y / 2)], z)


def disc(radius: float, height: float, *, sides: int = 28) -> Mesh:
    """A solid cylinder that stands on z = 0."""
    _, cosine, sine = _circle(sides)
    return extrude(radius * np.stack([cosine, sine], 1), height)


def arc(radius: float, start: float, stop: float, *, points: int = 9, plane: str = "xz") -> list[tuple[float, ...]]:
    """Points on a circle about the origin, angles in degrees, in the plane "xz" or "xy"."""
    angles = np.deg2rad(np.linspace(start, stop, points))
    rows = [(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in angles]
    return [(u, 0.0, v) if plane == "xz" else (u, v, 0.0) for u, v in rows]
