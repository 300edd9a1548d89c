"""Triangles to pixels on the CPU: a depth buffer, a shadow map, and one shading pass per pixel, compiled by numba.

Written for throughput at small sizes: about a millisecond for the depth buffer of a table full of things. Shapes carry
suffixes: V vertices, F faces, M materials, H and W pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional
from ivm.data.tabletop.patterns import TEXTURES, noise, pattern

numba = optional("numba", extra="train")

__all__ = ["MATERIAL_COLUMNS", "TEXTURES", "Array", "environment", "noise", "pattern", "rasterize", "shade"]

Array = NDArray[Any]

MATERIAL_COLUMNS = 13
"""Columns of a material: RGB, second RGB, diffuse, specular, shininess, mirror, texture, texture scale, see-through."""


@numba.njit(cache=True, error_model="numpy")
def rasterize(screen_V4: Array, faces_F3: Array, height: int, width: int) -> tuple[Array, Array, Array]:
    """Draw triangles into a depth buffer.

    Args:
        screen_V4: float32 rows of column, row (pixels), depth (larger is farther; <= 0 is behind the eye) and 1/w
            (1 for an orthographic view).
        faces_F3: int32 rows of `screen_V4`.
        height: rows of the buffer.
        width: columns of the buffer.

    Returns:
        Nearest face (H, W) int32, -1 for none; its perspective-correct weights of the second and third corner
        (H, W, 2) float32; its depth (H, W) float32, infinite for none.
    """
    face_HW = np.full((height, width), -1, np.int32)
    weights_HW2 = np.zeros((height, width, 2), np.float32)
    depth_HW = np.full((height, width), np.inf, np.float32)
    for f in range(faces_F3.shape[0]):
        i, j, k = faces_F3[f, 0], faces_F3[f, 1], faces_F3[f, 2]
        az, bz, cz = screen_V4[i, 2], screen_V4[j, 2], screen_V4[k, 2]
        if az <= 0 or bz <= 0 or cz <= 0:
            continue
        ax, ay, bx, by = screen_V4[i, 0], screen_V4[i, 1], screen_V4[j, 0], screen_V4[j, 1]
        cx, cy = screen_V4[k, 0], screen_V4[k, 1]
        x0 = max(math.ceil(min(ax, bx, cx) - 0.5), 0)
        x1 = min(math.floor(max(ax, bx, cx) - 0.5), width - 1)
        y0 = max(math.ceil(min(ay, by, cy) - 0.5), 0)
        y1 = min(math.floor(max(ay, by, cy) - 0.5), height - 1)
        if x0 > x1 or y0 > y1:
            continue
        abx, aby, acx, acy = bx - ax, by - ay, cx - ax, cy - ay
        area = abx * acy - acx * aby
        if abs(area) < 1e-6:
            continue
        # The signs alone tell most pixels outside, before anything is divided.
        turned = area < 0
        aw, bw, cw = screen_V4[i, 3], screen_V4[j, 3], screen_V4[k, 3]
        # Where something lies in front of the whole triangle, with room for rounding, nothing need be worked out.
        nearest = 0.9999 * min(az, bz, cz)
        for y in range(y0, y1 + 1):
            down = y + 0.5 - ay
            for x in range(x0, x1 + 1):
                right = x + 0.5 - ax
                wb, wc = right * acy - acx * down, abx * down - right * aby
                if ((wb > 0 or wc > 0) if turned else (wb < 0 or wc < 0)) or depth_HW[y, x] < nearest:
                    continue
                wb, wc = wb / area, wc / area
                wa = 1 - wb - wc
                if wa < 0:
                    continue
                inverse = wa * aw + wb * bw + wc * cw
                wb, wc = wb * bw / inverse, wc * cw / inverse
                depth = (1 - wb - wc) * az + wb * bz + wc * cz
                if depth < depth_HW[y, x]:
                    depth_HW[y, x] = depth
                    face_HW[y, x] = f
                    weights_HW2[y, x, 0] = wb
                    weights_HW2[y, x, 1] = wc
    return face_HW, weights_HW2, depth_HW


@numba.njit(cache=True, error_model="numpy")
def environment(x: float, y: float, z: float, lobes_L7: Array) -> tuple[float, float, float]:
    """RGB light that comes from a direction: bright lobes (direction, sharpness, RGB) over a dim room.

    Below the horizon the table answers; row 0 of `lobes_L7` holds its colour, row 1 that of the room.
    """
    blend = min(max(0.5 + 3 * z, 0.0), 1.0)
    r = lobes_L7[0, 4] + (lobes_L7[1, 4] - lobes_L7[0, 4]) * blend
    g = lobes_L7[0, 5] + (lobes_L7[1, 5] - lobes_L7[0, 5]) * blend
    b = lobes_L7[0, 6] + (lobes_L7[1, 6] - lobes_L7[0, 6]) * blend
    for i in range(2, lobes_L7.shape[0]):
        along = x * lobes_L7[i, 0] + y * lobes_L7[i, 1] + z * lobes_L7[i, 2]
        if along > 0:
            weight = along ** lobes_L7[i, 3]
            r += weight * lobes_L7[i, 4]
            g += weight * lobes_L7[i, 5]
            b += weight * lobes_L7[i, 6]
    return r, g, b


@numba.njit(cache=True, error_model="numpy")
def _lit(x: float, y: float, z: float, basis_33: Array, shadow_SS: Array, scale: float, soft: float) -> float:
    """Share of the key light that reaches a point, 0 to 1: nine looks into the shadow map."""
    size = shadow_SS.shape[0]
    u = (x * basis_33[0, 0] + y * basis_33[0, 1] + z * basis_33[0, 2]) * scale + size / 2
    v = (x * basis_33[1, 0] + y * basis_33[1, 1] + z * basis_33[1, 2]) * scale + size / 2
    depth = 500 - (x * basis_33[2, 0] + y * basis_33[2, 1] + z * basis_33[2, 2])
    seen = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            column, row = int(u + dx * soft), int(v + dy * soft)
            inside = 0 <= column < size and 0 <= row < size
            if not inside or shadow_SS[row, column] > depth - 0.7:
                seen += 1
    return seen / 9.0


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


@numba.njit(cache=True, inline="always")
def _uniform(face_HW: Array, material_F: Array, row: int, column: int) -> bool:
    """Whether one material fills a block of 2 x 2 pixels: then one sample of its light serves all four."""
    f = face_HW[row, column]
    kind = material_F[f] if f >= 0 else -1
    for y in range(row, min(row + 2, face_HW.shape[0])):
        for x in range(column, min(column + 2, face_HW.shape[1])):
            g = face_HW[y, x]
            if g != f and (material_F[g] if g >= 0 else -1) != kind:
                return False
    return True


@numba.njit(cache=True, error_model="numpy")
def shade(
    face_HW: Array,
    weights_HW2: Array,
    faces_F3: Array,
    world_V3: Array,
    normals_V3: Array,
    local_V3: Array,
    material_F: Array,
    materials_M: Array,
    axes_33: Array,
    focal: float,
    eye_3: Array,
    light_33: Array,
    key_3: Array,
    fill_7: Array,
    ambient_23: Array,
    lobes_L7: Array,
    shadow_SS: Array,
    shadow_scale: float,
    shadow_soft: float,
    contact_SS: Array,
    table_size_2: Array,
    backdrop_HW3: Array,
) -> Array:
    """Colour every pixel: linear light (H, W, 3) float32.

    Args:
        face_HW: nearest face or -1, and `weights_HW2` its corner weights, from `rasterize`.
        faces_F3: corners; `world_V3` positions (cm), `normals_V3` unit normals, `local_V3` positions in the object.
        material_F: row of `materials_M` of each face; the last row is the table's.
        axes_33: rows right, down, forward of the camera; `focal` its focal length in pixels; `eye_3` its place.
        light_33: rows u, v, towards-the-light of the key light; `key_3` its RGB.
        fill_7: direction (3), unused, RGB (3) of a second light without shadow.
        ambient_23: RGB of light from below and from above.
        lobes_L7: what mirrors see, see `environment`.
        shadow_SS: depth map of the key light, `shadow_scale` its pixels a centimetre, `shadow_soft` its blur in pixels.
        contact_SS: darkening of the table near objects, 0 to 1, one pixel per 1/`shadow_scale` cm about the origin.
        table_size_2: half-sizes of the table in cm.
        backdrop_HW3: what is seen past the table; of any size where the table fills the picture.
    """
    height, width = face_HW.shape
    out = np.empty((height, width, 3), np.float32)
    size = contact_SS.shape[0]
    table = materials_M.shape[0] - 1
    lx, ly, lz = light_33[2, 0], light_33[2, 1], light_33[2, 2]
    for block in range(((height + 1) // 2) * ((width + 1) // 2)):
        top, left = 2 * (block // ((width + 1) // 2)), 2 * (block % ((width + 1) // 2))
        uniform = _uniform(face_HW, material_F, top, left)
        for corner in range(4):
            row, column = top + (corner >> 1), left + (corner & 1)
            if row >= height or column >= width:
                continue
            if corner and uniform:
                for c in range(3):
                    out[row, column, c] = out[top, left, c]
                continue
            f = face_HW[row, column]
            dx, dy, dz = _ray((column + 0.5 - width / 2) / focal, (row + 0.5 - height / 2) / focal, axes_33)
            dark = 1.0
            if f >= 0:
                i, j, k = faces_F3[f, 0], faces_F3[f, 1], faces_F3[f, 2]
                wb, wc = weights_HW2[row, column, 0], weights_HW2[row, column, 1]
                wa = 1 - wb - wc
                x, y, z = _mix(world_V3, i, j, k, wa, wb, wc)
                nx, ny, nz = _mix(normals_V3, i, j, k, wa, wb, wc)
                qx, qy, qz = _mix(local_V3, i, j, k, wa, wb, wc)
                m = material_F[f]
                nx, ny, nz = _unit(nx, ny, nz)
                if nx * dx + ny * dy + nz * dz > 0:
                    nx, ny, nz = -nx, -ny, -nz
            else:
                distance = -eye_3[2] / dz if dz < -1e-4 else -1.0
                x, y, z = eye_3[0] + distance * dx, eye_3[1] + distance * dy, 0.0
                if distance < 0 or abs(x) > table_size_2[0] or abs(y) > table_size_2[1]:
                    for c in range(3):
                        out[row, column, c] = backdrop_HW3[row, column, c]
                    continue
                qx, qy, qz = x, y, z
                m = table
                nx, ny, nz = 0.0, 0.0, 1.0
                u, v = int(x * shadow_scale + size / 2), int(y * shadow_scale + size / 2)
                if 0 <= u < size and 0 <= v < size:
                    dark = 1 - contact_SS[v, u]
            facing = max(nx * lx + ny * ly + nz * lz, 0.0)
            along = nx * dx + ny * dy + nz * dz
            rx, ry, rz = dx - 2 * along * nx, dy - 2 * along * ny, dz - 2 * along * nz
            shine = max(rx * lx + ry * ly + rz * lz, 0.0)
            lit = 0.0
            if facing > 0 or shine > 0:
                lit = _lit(x + nx * 0.4, y + ny * 0.4, z + nz * 0.4, light_33, shadow_SS, shadow_scale, shadow_soft)
                facing = facing * lit
                # What is in the shadow does not shine.
                shine = shine ** materials_M[m, 8] if lit > 0 and materials_M[m, 7] > 0 else 0.0
            filling = max(nx * fill_7[0] + ny * fill_7[1] + nz * fill_7[2], 0.0)
            up = 0.5 + 0.5 * nz
            mix = pattern(int(materials_M[m, 10]), qx, qy, qz, materials_M[m, 11])
            mirror = environment(rx, ry, rz, lobes_L7)
            reflected = materials_M[m, 9]
            fresnel = reflected + (1 - reflected) * 0.6 * (1 + along) ** 4 * materials_M[m, 7]
            for c in range(3):
                color = materials_M[m, c] + (materials_M[m, 3 + c] - materials_M[m, c]) * mix
                diffuse = key_3[c] * facing + fill_7[4 + c] * filling
                diffuse += (ambient_23[0, c] + (ambient_23[1, c] - ambient_23[0, c]) * up) * dark
                value = color * materials_M[m, 6] * diffuse * (1 - reflected)
                value += materials_M[m, 7] * shine * lit * key_3[c]
                value += fresnel * mirror[c] * (color if reflected > 0.3 else 1.0) * (0.6 + 0.4 * dark)
                through = materials_M[m, 12]
                if through > 0:
                    value = value * (1 - through) + through * (0.35 + 0.65 * color) * materials_M[table, c]
                out[row, column, c] = value
    return out
