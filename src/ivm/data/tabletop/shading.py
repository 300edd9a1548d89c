"""The light that each pixel sends: lamps, the room, mirrors, shadows, patterns; one pass, compiled by numba.

Shapes carry suffixes: V vertices, F faces, M materials, H and W samples, h and w pixels, S and C the sides of square
maps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ivm.core.extras import optional
from ivm.data.tabletop.lamps import between, environment, lit, power
from ivm.data.tabletop.patterns import pattern
from ivm.data.tabletop.raster import Array, corner_weights

numba = optional("numba", extra="data")

MATERIAL_COLUMNS = 13
"""Columns of a material: RGB, second RGB, diffuse, specular, shininess, mirror, texture, texture scale, see-through."""


class Lens(NamedTuple):
    """Where samples look from."""

    axes_33: Array
    """Rows right, down, forward."""
    focal: float
    """In samples."""
    eye_3: Array


class Surfaces(NamedTuple):
    """What was rasterised; float32, the last two int32."""

    screen_V3: Array
    """See `raster.rasterize`."""
    world_V3: Array
    """Places in cm."""
    normals_V3: Array
    """Of unit length, nearly."""
    local_V3: Array
    """Places as patterns see them."""
    faces_F3: Array
    material_F: Array
    """Row of each face in the materials."""


class Lamps(NamedTuple):
    """The light of a scene, see `look.Light`, and what the key light reaches."""

    axes_33: Array
    key_3: Array
    fill_7: Array
    ambient_23: Array
    lobes_L7: Array
    shadow_SS: Array
    """Nearness to the key light, see `lamps.NEAR_FULL`."""
    scale: float
    """Pixels of that map a centimetre."""
    soft: float
    """Its blur in pixels."""


class Ground(NamedTuple):
    """The table and what is past it."""

    half_sizes_2: Array
    """In cm."""
    contact_CC: Array
    """Share of the room's light that is missing near things."""
    scale: float
    """Pixels of that map a centimetre, about the origin."""
    backdrop_hw3: Array
    """Linear light past the table; of any size where the table fills the picture."""


@numba.njit(cache=True, inline="always")
def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    scale = 1 / (math.sqrt(x * x + y * y + z * z) + 1e-9)
    return x * scale, y * scale, z * scale


@numba.njit(cache=True, inline="always")
def _ray(right: float, down: float, axes_33: Array) -> tuple[float, float, float]:
    """Unit direction of the ray through a point of the picture, given in focal lengths from its middle."""
    direction: tuple[float, float, float] = _unit(
        axes_33[2, 0] + right * axes_33[0, 0] + down * axes_33[1, 0],
        axes_33[2, 1] + right * axes_33[0, 1] + down * axes_33[1, 1],
        axes_33[2, 2] + right * axes_33[0, 2] + down * axes_33[1, 2],
    )
    return direction


@numba.njit(cache=True, inline="always")
def _mix(rows_V3: Array, i: int, j: int, k: int, wa: float, wb: float, wc: float) -> tuple[float, float, float]:
    """Weighted sum of three rows."""
    return (
        wa * rows_V3[i, 0] + wb * rows_V3[j, 0] + wc * rows_V3[k, 0],
        wa * rows_V3[i, 1] + wb * rows_V3[j, 1] + wc * rows_V3[k, 1],
        wa * rows_V3[i, 2] + wb * rows_V3[j, 2] + wc * rows_V3[k, 2],
    )


@numba.njit(cache=True, error_model="numpy")
def _count(face_HW: Array, material_F: Array, top: int, left: int, side: int, counts_s: Array) -> None:
    """For the first sample of each material in a square of samples: how many see that; 0 for the others."""
    first = face_HW[top, left]
    uniform = True
    for s in range(side):
        for t in range(side):
            uniform = uniform and face_HW[top + s, left + t] == first
    counts_s[:] = 0
    if uniform:
        counts_s[0] = side * side
        return
    for s in range(side * side):
        f = face_HW[top + s // side, left + s % side]
        m = material_F[f] if f >= 0 else -1
        for other in range(s + 1):
            g = face_HW[top + other // side, left + other % side]
            if (material_F[g] if g >= 0 else -1) == m:
                counts_s[other] += 1
                break


@numba.njit(cache=True, error_model="numpy")
def shade(
    face_HW: Array, lens: Lens, surfaces: Surfaces, materials_M: Array, lamps: Lamps, ground: Ground, side: int
) -> Array:
    """Colour every pixel: linear light (h, w, 3) float32, h = H / side, w = W / side.

    A pixel is a square of samples; those that see the same material share one look at its light.

    Args:
        face_HW: nearest face or -1 of each sample, from `rasterize`.
        lens: of the camera.
        surfaces: what faces belong to.
        materials_M: float64 rows, see `MATERIAL_COLUMNS`; the last is the table's.
        lamps: the light.
        ground: what is seen where no face is.
        side: samples of a pixel's square, along one side.
    """
    height, width = face_HW.shape
    out_hw3 = np.empty((height // side, width // side, 3), np.float32)
    counts_s = np.empty(side * side, np.int64)
    table = materials_M.shape[0] - 1
    # Taken out of their tuples once: each look into a tuple counts references.
    lens_33, focal, eye_3 = lens
    screen_V3, world_V3, normals_V3, local_V3, faces_F3, material_F = surfaces
    light_33, key_3, fill_7, ambient_23, lobes_L7, shadow_SS, shadow_scale, soft = lamps
    half_sizes_2, contact_CC, contact_scale, backdrop_hw3 = ground
    half = contact_CC.shape[0] / 2
    for y_ in range(height // side):
        for x_ in range(width // side):
            _count(face_HW, material_F, y_ * side, x_ * side, side, counts_s)
            red, green, blue, s = 0.0, 0.0, 0.0, -1
            for row_ in range(y_ * side, y_ * side + side):
                for column_ in range(x_ * side, x_ * side + side):
                    s += 1
                    count = counts_s[s]
                    if count == 0:
                        continue
                    row, column, f = row_ + 0.5, column_ + 0.5, face_HW[row_, column_]
                    m = material_F[f] if f >= 0 else table
                    dx, dy, dz = _ray((column - width / 2) / focal, (row - height / 2) / focal, lens_33)
                    dark = 1.0
                    if f >= 0:
                        i, j, k = faces_F3[f, 0], faces_F3[f, 1], faces_F3[f, 2]
                        wa, wb, wc = corner_weights(screen_V3, i, j, k, column, row)
                        x, y, z = _mix(world_V3, i, j, k, wa, wb, wc)
                        nx, ny, nz = _mix(normals_V3, i, j, k, wa, wb, wc)
                        qx, qy, qz = _mix(local_V3, i, j, k, wa, wb, wc)
                        nx, ny, nz = _unit(nx, ny, nz)
                        if nx * dx + ny * dy + nz * dz > 0:
                            nx, ny, nz = -nx, -ny, -nz
                    else:
                        away = -eye_3[2] / dz if dz < -1e-4 else -1.0
                        x, y, z = eye_3[0] + away * dx, eye_3[1] + away * dy, 0.0
                        if away < 0 or abs(x) > half_sizes_2[0] or abs(y) > half_sizes_2[1]:
                            red += count * backdrop_hw3[y_, x_, 0]
                            green += count * backdrop_hw3[y_, x_, 1]
                            blue += count * backdrop_hw3[y_, x_, 2]
                            continue
                        qx, qy, qz = x, y, z
                        nx, ny, nz = 0.0, 0.0, 1.0
                        dark -= between(contact_CC, x * contact_scale + half, y * contact_scale + half)
                    specular, reflected, through = materials_M[m, 7], materials_M[m, 9], materials_M[m, 12]
                    facing = max(nx * light_33[2, 0] + ny * light_33[2, 1] + nz * light_33[2, 2], 0.0)
                    along = nx * dx + ny * dy + nz * dz
                    rx, ry, rz = dx - 2 * along * nx, dy - 2 * along * ny, dz - 2 * along * nz
                    shine = rx * light_33[2, 0] + ry * light_33[2, 1] + rz * light_33[2, 2]
                    # Below a half nothing is left of it: its power is 15 at least.
                    shine = specular * power(shine, int(materials_M[m, 8])) if shine > 0.5 else 0.0
                    if facing > 0 or shine > 0:
                        lx, ly, lz = x + nx * 0.4, y + ny * 0.4, z + nz * 0.4
                        reached = lit(lx, ly, lz, light_33, shadow_SS, shadow_scale, soft)
                        # What is in the shadow does not shine.
                        facing, shine = facing * reached, shine * reached
                    matte = materials_M[m, 6] * (1 - reflected)
                    facing *= matte
                    filling = matte * max(nx * fill_7[0] + ny * fill_7[1] + nz * fill_7[2], 0.0)
                    above = matte * dark * (0.5 + 0.5 * nz)
                    below = matte * dark - above
                    mix = pattern(int(materials_M[m, 10]), qx, qy, qz, materials_M[m, 11])
                    grazing = (1 + along) * (1 + along)
                    fresnel = reflected + (1 - reflected) * 0.6 * grazing * grazing * specular
                    r, g, b = 0.0, 0.0, 0.0
                    if fresnel > 0.001:
                        r, g, b = environment(rx, ry, rz, lobes_L7)
                        fresnel *= 0.6 + 0.4 * dark
                    for c in range(3):
                        color = materials_M[m, c] + (materials_M[m, 3 + c] - materials_M[m, c]) * mix
                        value = key_3[c] * facing + fill_7[4 + c] * filling
                        value += ambient_23[0, c] * below + ambient_23[1, c] * above
                        value = color * value + shine * key_3[c]
                        value += fresnel * r * (color if reflected > 0.3 else 1.0)
                        if through > 0:
                            value = value * (1 - through) + through * (0.35 + 0.65 * color) * materials_M[table, c]
                        r, g, b = g, b, value
                    red, green, blue = red + count * r, green + count * g, blue + count * b
            share = 1 / (side * side)
            out_hw3[y_, x_, 0], out_hw3[y_, x_, 1], out_hw3[y_, x_, 2] = share * red, share * green, share * blue
    return out_hw3
