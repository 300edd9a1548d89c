"""What light reaches a point: bright lobes of a room, a shadow map, maps read between their samples.

Powers are products, so that they are cheap and the same on every machine.
"""

from __future__ import annotations

from ivm.core.extras import optional
from ivm.data.tabletop.raster import Array

numba = optional("numba", extra="data")

SHARPNESS = (3.0, 10.0, 30.0, 90.0)
"""How narrow a bright lobe of the room's light may be: the power of the cosine to its middle."""

NEAR_FULL = 1000.0
"""Nearness, in the shadow map, of a point at the height 0 along the light; a centimetre adds 1."""


@numba.njit(cache=True, inline="always")
def _lobe(cosine: float, sharpness: float) -> float:
    """A cosine to a power of `SHARPNESS`."""
    power = cosine * cosine * cosine
    if sharpness > 5:
        power = power * power * power * cosine
    if sharpness > 20:
        power = power * power * power
    if sharpness > 60:
        power = power * power * power
    return power


@numba.njit(cache=True, inline="always")
def power(base: float, exponent: int) -> float:
    """A number to a whole power."""
    result = 1.0
    while exponent > 0:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


@numba.njit(cache=True, error_model="numpy")
def environment(x: float, y: float, z: float, lobes_L7: Array) -> tuple[float, float, float]:
    """RGB light that comes from a direction: bright lobes (direction, `SHARPNESS`, RGB) over a dim room.

    Below the horizon the table answers; row 0 of `lobes_L7` holds its colour, row 1 that of the room.
    """
    blend = min(max(0.5 + 3 * z, 0.0), 1.0)
    r = lobes_L7[0, 4] + (lobes_L7[1, 4] - lobes_L7[0, 4]) * blend
    g = lobes_L7[0, 5] + (lobes_L7[1, 5] - lobes_L7[0, 5]) * blend
    b = lobes_L7[0, 6] + (lobes_L7[1, 6] - lobes_L7[0, 6]) * blend
    for i in range(2, lobes_L7.shape[0]):
        along = x * lobes_L7[i, 0] + y * lobes_L7[i, 1] + z * lobes_L7[i, 2]
        if along > 0:
            weight = _lobe(along, lobes_L7[i, 3])
            r += weight * lobes_L7[i, 4]
            g += weight * lobes_L7[i, 5]
            b += weight * lobes_L7[i, 6]
    return r, g, b


@numba.njit(cache=True, inline="always")
def _seen(shadow_SS: Array, column: int, row: int, height: float) -> int:
    """1 where nothing in the shadow map is clearly higher along the light, else 0."""
    size = shadow_SS.shape[0]
    inside = 0 <= column < size and 0 <= row < size
    return 0 if inside and shadow_SS[row, column] > height else 1


@numba.njit(cache=True, error_model="numpy")
def lit(x: float, y: float, z: float, axes_33: Array, shadow_SS: Array, scale: float, soft: float) -> float:
    """Share of the key light that reaches a point, 0 to 1: nine looks into the shadow map, five where they agree."""
    half = shadow_SS.shape[0] / 2
    u = (x * axes_33[0, 0] + y * axes_33[0, 1] + z * axes_33[0, 2]) * scale + half
    v = (x * axes_33[1, 0] + y * axes_33[1, 1] + z * axes_33[1, 2]) * scale + half
    height = NEAR_FULL + 0.7 + x * axes_33[2, 0] + y * axes_33[2, 1] + z * axes_33[2, 2]
    left, middle, right = int(u - soft), int(u), int(u + soft)
    above, level, below = int(v - soft), int(v), int(v + soft)
    seen = _seen(shadow_SS, left, above, height) + _seen(shadow_SS, right, above, height)
    seen += _seen(shadow_SS, left, below, height) + _seen(shadow_SS, right, below, height)
    seen += _seen(shadow_SS, middle, level, height)
    if seen == 0 or seen == 5:
        return seen / 5.0
    seen += _seen(shadow_SS, middle, above, height) + _seen(shadow_SS, middle, below, height)
    seen += _seen(shadow_SS, left, level, height) + _seen(shadow_SS, right, level, height)
    return seen / 9.0


@numba.njit(cache=True, error_model="numpy")
def between(map_SS: Array, u: float, v: float) -> float:
    """Value of a map at a point between its samples, whose middles are half numbers; 0 outside."""
    size = map_SS.shape[0]
    u, v = u - 0.5, v - 0.5
    if not (0 <= u < size - 1 and 0 <= v < size - 1):
        return 0.0
    column, row = int(u), int(v)
    right, down = u - column, v - row
    upper = map_SS[row, column] * (1 - right) + map_SS[row, column + 1] * right
    lower = map_SS[row + 1, column] * (1 - right) + map_SS[row + 1, column + 1] * right
    return float(upper * (1 - down) + lower * down)
