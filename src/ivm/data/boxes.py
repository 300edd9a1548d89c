"""Boxes of the original's data as masks; its parts write them in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ivm.data.coding import Mask
from ivm.data.faults import BadRecordError

BoxKind = Literal["padded", "plain"]
"""What a box's numbers are shares of: "padded", of the longer side of the picture padded to a centred square, as the
original's code reads them; "plain", of width and height, as one of its data sets is described."""


def box_to_pixels(box: Sequence[float], width: int, height: int, kind: BoxKind) -> tuple[int, int, int, int]:
    """Turn a normalised box into pixels.

    Args:
        box: x0, y0, x1, y1, each a share from 0 to 1.
        width: of the picture.
        height: of the picture.
        kind: see `BoxKind`.

    Returns:
        x0, y0, x1, y1 in pixels, half-open, inside the picture.

    Raises:
        BadRecordError: not four numbers from 0 to 1 in order, or nothing of the box is in the picture.
    """
    numbers = [float(value) for value in box if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) != 4 or len(box) != 4 or not all(0 <= value <= 1 for value in numbers):
        raise BadRecordError("box", f"a box must be four numbers from 0 to 1, not {list(box)!r}")
    side = max(width, height)
    across, down = (side, side) if kind == "padded" else (width, height)
    left, top = ((side - width) // 2, (side - height) // 2) if kind == "padded" else (0, 0)
    x0, x1 = (min(max(round(value * across) - left, 0), width) for value in numbers[0::2])
    y0, y1 = (min(max(round(value * down) - top, 0), height) for value in numbers[1::2])
    if x0 >= x1 or y0 >= y1:
        raise BadRecordError("box", f"the box {list(box)!r} covers no pixel of {width}x{height}")
    return x0, y0, x1, y1


def boxes_to_mask(boxes: object, width: int, height: int, kind: BoxKind) -> Mask:
    """Fill boxes: (H, W) uint8, 255 inside any of them.

    Args:
        boxes: one box or a list of boxes, as `box_to_pixels` takes them.
        width: of the picture.
        height: of the picture.
        kind: see `BoxKind`.

    Raises:
        BadRecordError: no box, or an impossible one.
    """
    if not isinstance(boxes, list) or not boxes:
        raise BadRecordError("box", f"the boxes must be a list of [x0, y0, x1, y1], not {boxes!r}")
    mask = np.zeros((height, width), np.uint8)
    for box in boxes if isinstance(boxes[0], list) else [boxes]:
        if not isinstance(box, list):
            raise BadRecordError("box", f"a box must be four numbers from 0 to 1, not {box!r}")
        x0, y0, x1, y1 = box_to_pixels(box, width, height, kind)
        mask[y0:y1, x0:x1] = 255
    return mask
