"""Patterns in space: grain, spots, holes, labels, stripes, checks, the same on every machine.

numba keeps compiled code by file: whoever changes a pattern removes `__pycache__` beside this file, so that those who
use it (shading.py, mujoco_paint.py) are compiled anew.
"""

from __future__ import annotations

import math

from ivm.core.extras import optional

numba = optional("numba", extra="data")

TEXTURES = ("plain", "grain", "mottled", "holes", "seeds", "label", "stripes", "checker")
"""Names of the patterns; a material holds the index."""


_X, _Y, _Z = 374761393, 668265263, 2147483647


@numba.njit(cache=True, inline="always")
def _sum(x: int, y: int, z: int) -> int:
    return x * _X + y * _Y + z * _Z + 12345


@numba.njit(cache=True, inline="always")
def _mixed(n: int) -> float:
    """A number in [0, 1) that looks random, the same for the same sum on every machine."""
    n = n & 0x7FFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) * (1 / 65536.0)


@numba.njit(cache=True, inline="always")
def _hash(x: int, y: int, z: int) -> float:
    """A number in [0, 1) that looks random, the same for the same three integers on every machine."""
    return _mixed(_sum(x, y, z))


@numba.njit(cache=True, inline="always")
def _square(n: int, fx: float, fy: float) -> float:
    """Blend the numbers at the corners of a square, the first of which has the sum `n`."""
    a, b = _mixed(n), _mixed(n + _Y)
    a += (_mixed(n + _X) - a) * fx
    b += (_mixed(n + _X + _Y) - b) * fx
    return a + (b - a) * fy


@numba.njit(cache=True, error_model="numpy")
def noise(x: float, y: float, z: float) -> float:
    """Smooth value noise in [0, 1) with cells of size 1."""
    ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    near, far = _sum(ix, iy, iz), _sum(ix, iy, iz + 1)
    low = _square(near, fx, fy)
    return low + (_square(far, fx, fy) - low) * fz


@numba.njit(cache=True, error_model="numpy")
def pattern(kind: int, x: float, y: float, z: float, scale: float) -> float:
    """How much of the second colour a texture (index in `TEXTURES`) has at a point of the object, 0 to 1."""
    if kind == 0:
        return 0.0
    x, y, z = x / scale, y / scale, z / scale
    if kind == 1:  # grain: rings of a tree, stretched along x
        ring = 6 * (y + 0.25 * noise(0.3 * x, 2 * y, 2 * z)) + 3 * z + 2 * noise(0.15 * x, y, z)
        return float(0.5 * (ring - math.floor(ring)) + 0.3 * noise(0.6 * x, 12 * y, 12 * z))
    if kind == 2:  # mottled
        return float(0.6 * noise(2 * x, 2 * y, 2 * z) + 0.4 * noise(6 * x, 6 * y, 6 * z))
    if kind == 3 or kind == 4:  # holes and seeds: discs around points of a jittered grid
        cell = 1.1 if kind == 3 else 0.45
        u, v, w = x / cell, y / cell, z / cell
        best = 9.0
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    ix, iy, iz = math.floor(u) + dx, math.floor(v) + dy, math.floor(w) + dz
                    du = ix + 0.2 + 0.6 * _hash(ix, iy, iz) - u
                    dv = iy + 0.2 + 0.6 * _hash(ix + 71, iy, iz) - v
                    dw = iz + 0.2 + 0.6 * _hash(ix, iy + 37, iz) - w
                    best = min(best, du * du + dv * dv + dw * dw)
        radius = 0.1 if kind == 3 else 0.04
        return 1.0 if best < radius else 0.0
    if kind == 5:  # label: a band with blots of print
        band = abs(z - 1.3 * noise(0.1, 0.2, math.floor(z / 4))) % 3.1 < 1.7
        return 1.0 if band and noise(1.3 * x, 1.3 * y, 2.5 * z) > 0.45 else 0.0
    if kind == 6:  # stripes
        return 1.0 if (x + 0.3 * y) % 2.0 < 1.0 else 0.0
    if kind == 7:  # checker
        return 1.0 if (math.floor(x) + math.floor(y) + math.floor(z)) % 2 < 1 else 0.0
    return 0.0
