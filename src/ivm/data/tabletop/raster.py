"""Triangles to pixels on the CPU, compiled by numba: which face is nearest, and where on it a pixel's ray meets it.

Written for throughput at small sizes. Shapes carry suffixes: V vertices, F faces, H and W pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional

numba = optional("numba", extra="data")

Array = NDArray[Any]


@numba.njit(cache=True, error_model="numpy")
def rasterize(screen_V3: Array, faces_F3: Array, height: int, width: int) -> tuple[Array, Array]:
    """Draw the fronts of triangles into a depth buffer.

    Args:
        screen_V3: float32 rows of column, row (pixels) and nearness: a number that is linear on the screen and larger
            for what is nearer, 1 / depth in a perspective view; what has 0 or less is behind the eye.
        faces_F3: int32 rows of `screen_V3`, counter-clockwise where they are seen from in front.
        height: rows of the buffer.
        width: columns of the buffer.

    Returns:
        Nearest face (H, W) int32, -1 for none; its nearness (H, W) float32, 0 for none.
    """
    face_HW = np.full((height, width), -1, np.int32)
    near_HW = np.zeros((height, width), np.float32)
    for f in range(faces_F3.shape[0]):
        i, j, k = faces_F3[f, 0], faces_F3[f, 1], faces_F3[f, 2]
        ax, ay, an = np.float64(screen_V3[i, 0]), np.float64(screen_V3[i, 1]), np.float64(screen_V3[i, 2])
        bx, by, bn = np.float64(screen_V3[j, 0]), np.float64(screen_V3[j, 1]), np.float64(screen_V3[j, 2])
        cx, cy, cn = np.float64(screen_V3[k, 0]), np.float64(screen_V3[k, 1]), np.float64(screen_V3[k, 2])
        abx, aby, acx, acy = bx - ax, by - ay, cx - ax, cy - ay
        # Rows go down, so that what turns to the left on the screen has a negative area.
        area = acx * aby - abx * acy
        if area < 1e-6 or an <= 0 or bn <= 0 or cn <= 0:
            continue
        x0 = max(math.ceil(min(ax, bx, cx) - 0.5), 0)
        x1 = min(math.floor(max(ax, bx, cx) - 0.5), width - 1)
        y0 = max(math.ceil(min(ay, by, cy) - 0.5), 0)
        y1 = min(math.floor(max(ay, by, cy) - 0.5), height - 1)
        if x0 > x1 or y0 > y1:
            continue
        across = (aby * (cn - an) - acy * (bn - an)) / area
        along = (acx * (bn - an) - abx * (cn - an)) / area
        right = x0 + 0.5 - ax
        for y in range(y0, y1 + 1):
            down = y + 0.5 - ay
            wb, wc = acx * down - acy * right, aby * right - abx * down
            nearness = an + across * right + along * down
            for x in range(x0, x1 + 1):
                if wb >= 0 and wc >= 0 and wb + wc <= area and nearness > near_HW[y, x]:
                    near_HW[y, x] = nearness
                    face_HW[y, x] = f
                wb -= acy
                wc += aby
                nearness += across
    return face_HW, near_HW


@numba.njit(cache=True, error_model="numpy")
def corner_weights(screen_V3: Array, i: int, j: int, k: int, column: float, row: float) -> tuple[float, float, float]:
    """Perspective-correct shares of the corners i, j, k of a face at a point of the screen; their sum is 1."""
    ax, ay = np.float64(screen_V3[i, 0]), np.float64(screen_V3[i, 1])
    right, down = column - ax, row - ay
    abx, aby, acx, acy = screen_V3[j, 0] - ax, screen_V3[j, 1] - ay, screen_V3[k, 0] - ax, screen_V3[k, 1] - ay
    wb, wc = acx * down - acy * right, aby * right - abx * down
    wa = (acx * aby - abx * acy - wb - wc) * screen_V3[i, 2]
    wb, wc = wb * screen_V3[j, 2], wc * screen_V3[k, 2]
    total = wa + wb + wc
    return wa / total, wb / total, wc / total
