"""What a camera's electronics make of linear light, compiled by numba: tones, then grain and eight bits a channel."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional
from ivm.data.tabletop.raster import Array

numba = optional("numba", extra="data")

_QUANTILES = 4096


@cache
def normal_quantiles() -> NDArray[np.float32]:
    """Standard normal numbers (4096,) float32, equally likely: a table is quicker than a draw."""
    normal = NormalDist()
    table = np.array([normal.inv_cdf((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)], np.float32)
    table.setflags(write=False)
    return table


@numba.njit(cache=True, error_model="numpy")
def tones(
    light_HW3: Array, gain_3: Array, saturation: float, contrast: float, brightness: float, vignette: float
) -> Array:
    """Turn linear light (H, W, 3) into what a picture shows, 0 to 1 and a little beyond, float32.

    Args:
        light_HW3: float32.
        gain_3: exposure of each channel.
        saturation: factor on the distance from grey.
        contrast: factor on the distance from a half; `brightness` is added.
        vignette: share of the light that the middles of the borders lose; the corners lose twice that.
    """
    height, width = light_HW3.shape[:2]
    out_HW3 = np.empty((height, width, 3), np.float32)
    value = np.empty(3)
    for row in range(height):
        y = 2 * (row + 0.5) / height - 1
        for column in range(width):
            for c in range(3):
                v = math.sqrt(max(light_HW3[row, column, c] * gain_3[c], 0.0))
                if v > 0.8:  # a soft shoulder, nearly the hyperbolic tangent
                    t = min((v - 0.8) / 0.2, 3.0)
                    v = 0.8 + 0.2 * t * (27 + t * t) / (27 + 9 * t * t)
                value[c] = v
            gray = (value[0] + value[1] + value[2]) / 3
            x = 2 * (column + 0.5) / width - 1
            share = 1 - vignette * (x * x + y * y)
            for c in range(3):
                toned = gray + (value[c] - gray) * saturation
                out_HW3[row, column, c] = ((toned - 0.5) * contrast + 0.5 + brightness) * share
    return out_HW3


@numba.njit(cache=True, error_model="numpy")
def bits(value_HW3: Array, random_HW3: Array, quantiles_Q: Array, grain: float) -> Array:
    """Round 0 to 1 to (H, W, 3) uint8, with grain of this standard deviation drawn by `random_HW3` (uint16).

    Where `random_HW3` is empty there is no grain.
    """
    out_HW3 = np.empty(value_HW3.shape, np.uint8)
    grainy = random_HW3.size > 0
    for row in range(value_HW3.shape[0]):
        for column in range(value_HW3.shape[1]):
            for c in range(3):
                v = value_HW3[row, column, c]
                if grainy:
                    v += grain * quantiles_Q[random_HW3[row, column, c] >> 4]
                out_HW3[row, column, c] = np.uint8(min(max(v * 255 + 0.5, 0.0), 255.0))
    return out_HW3
