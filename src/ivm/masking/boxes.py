"""Boxes, half-open: (x0, y0, x1, y1) holds the pixels `array[y0:y1, x0:x1]`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Box: TypeAlias = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels, x1 and y1 one past the last: `image[y0:y1, x0:x1]` is the crop."""


def bounding_box(mask: NDArray[Any]) -> Box | None:
    """Return the smallest box that holds every non-zero pixel of a mask (H, W), or None where there is none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[y0:y1].any(axis=0))
    return int(columns[0]), y0, int(columns[-1]) + 1, y1


def grow_box(box: Box, margin: int, height: int, width: int) -> Box:
    """Move each side of a box outwards by `margin` pixels, up to the sides of a picture `height` x `width`."""
    x0, y0, x1, y1 = box
    return max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, width), min(y1 + margin, height)


def crop(picture: NDArray[Any], box: Box) -> NDArray[Any]:
    """Return the part of a picture (H, W, ...) inside a box: a view (y1 - y0, x1 - x0, ...)."""
    x0, y0, x1, y1 = box
    return picture[y0:y1, x0:x1]
