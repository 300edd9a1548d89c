"""The size at which a picture of any aspect enters `ivm-nano`."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ivm.core.model import RGBImage

MAX_ASPECT = 3.0
"""Longer pictures are squashed to 3:1, so that the short side keeps enough rows."""

AREA_TOLERANCE = 1 / 6
"""How far the input may be from the area asked for, so that the aspect can be met: 40 to 56 cells for 48."""


def input_size(height: int, width: int, area: int = 49152, stride: int = 32) -> tuple[int, int]:
    """Choose (h, w), both multiples of `stride`, h * w near `area`, of the aspect nearest to the picture's.

    Args:
        height: rows of the picture, at least 1.
        width: columns of the picture, at least 1.
        area: pixels that the model likes to read; at least one cell of `stride` x `stride`.
        stride: side of the model's coarsest cell in pixels.

    Returns:
        (h, w); a 640x480 picture gives (192, 256) with the defaults.
    """
    cells = max(1, round(area / stride**2))
    wanted = max(-math.log(MAX_ASPECT), min(math.log(MAX_ASPECT), math.log(width / height)))
    sizes = [
        (rows, columns)
        for rows in range(1, cells + 1)
        for columns in range(1, cells + 1)
        if abs(rows * columns - cells) <= AREA_TOLERANCE * cells
        and max(rows, columns) <= max(1.0, MAX_ASPECT * min(rows, columns))
    ]
    rows, columns = min(
        sizes, key=lambda size: (abs(math.log(size[1] / size[0]) - wanted), abs(size[0] * size[1] - cells), size)
    )
    return rows * stride, columns * stride


def resize(image: RGBImage, size: tuple[int, int]) -> RGBImage:
    """Squash a picture to a size: areas are averaged where it shrinks, interpolated where it grows.

    Args:
        image: (H, W, 3) uint8.
        size: (h, w) wanted.

    Returns:
        (h, w, 3) uint8; the picture itself where it has that size already.
    """
    height, width = size
    # INTER_AREA drops to plain interpolation as soon as one axis grows, which would alias the other: one at a time.
    smaller = (min(height, image.shape[0]), min(width, image.shape[1]))
    if smaller != image.shape[:2]:
        image = np.asarray(cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    if size != image.shape[:2]:
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image
