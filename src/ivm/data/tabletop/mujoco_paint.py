"""What MuJoCo leaves out of a picture: patterns on surfaces, the dark where things touch, what is past the table."""

from __future__ import annotations

import numpy as np

from ivm.core.extras import optional
from ivm.data.tabletop.lamps import between
from ivm.data.tabletop.patterns import pattern
from ivm.data.tabletop.raster import Array

numba = optional("numba", extra="data")

SURFACE_COLUMNS = 11
"""Columns of a surface: texture, its scale, RGB and second RGB as shares of the colour drawn, origin of the pattern."""


@numba.njit(cache=True, error_model="numpy")
def paint(
    drawn_HW3: Array,
    depth_HW: Array,
    code_HW: Array,
    step: int,
    surfaces_G: Array,
    axes_33: Array,
    focal: float,
    eye_3: Array,
    near: float,
    far: float,
    contact_SS: Array,
    contact_scale: float,
    backdrop_hw3: Array,
) -> Array:
    """Finish a drawing and make it smaller: linear light (h, w, 3) float32, h = H / step, w = W / step.

    Args:
        drawn_HW3: uint8 square roots of linear light, the lowest row first, as OpenGL gives it.
        depth_HW: float32 OpenGL depth in [0, 1], likewise.
        code_HW: uint8, likewise: 0 for nothing, 1 for the table, else a row of `surfaces_G`.
        step: side in samples of the square that becomes one pixel.
        surfaces_G: float32 rows, see `SURFACE_COLUMNS`.
        axes_33: rows right, down, forward of the camera; `focal` its focal length in samples; `eye_3` its place (cm).
        near: distance of the near plane in cm, `far` of the far plane.
        contact_SS: darkening of the table, 0 to 1, `contact_scale` pixels a cm about the origin.
        backdrop_hw3: float32 linear light past the table; of any size where the table fills the picture.
    """
    height, width = code_HW.shape
    size = contact_SS.shape[0]
    squares = (np.arange(256) / 255.0) ** 2
    out = np.zeros((height // step, width // step, 3), np.float32)
    share = 1.0 / (step * step)
    factor = np.ones(3)
    for y in range(height // step):
        for x in range(width // step):
            last = -1
            for sample in range(step * step):
                row, column = y * step + sample // step, x * step + sample % step
                flipped = height - 1 - row
                code = code_HW[flipped, column]
                if code == 0:
                    for c in range(3):
                        out[y, x, c] += share * backdrop_hw3[y, x, c]
                    continue
                # One look at the pattern serves all samples of a pixel that see the same surface.
                if code != last:
                    last = code
                    factor[:] = 1.0
                    texture = int(surfaces_G[code, 0])
                    if texture or code == 1:
                        ahead = near * far / (far - depth_HW[flipped, column] * (far - near))
                        u = (column + 0.5 - width / 2) / focal * ahead
                        v = (row + 0.5 - height / 2) / focal * ahead
                        px = eye_3[0] + u * axes_33[0, 0] + v * axes_33[1, 0] + ahead * axes_33[2, 0]
                        py = eye_3[1] + u * axes_33[0, 1] + v * axes_33[1, 1] + ahead * axes_33[2, 1]
                        pz = eye_3[2] + u * axes_33[0, 2] + v * axes_33[1, 2] + ahead * axes_33[2, 2]
                        if code == 1:
                            u, v = px * contact_scale + size / 2, py * contact_scale + size / 2
                            factor[:] = 1 - 0.5 * between(contact_SS, u, v)
                        qx, qy, qz = px - surfaces_G[code, 8], py - surfaces_G[code, 9], pz - surfaces_G[code, 10]
                        mix = pattern(texture, qx, qy, qz, surfaces_G[code, 1])
                        for c in range(3):
                            first, second = surfaces_G[code, 2 + c], surfaces_G[code, 5 + c]
                            factor[c] *= first + (second - first) * mix
                for c in range(3):
                    out[y, x, c] += share * squares[drawn_HW3[flipped, column, c]] * factor[c]
    return out
