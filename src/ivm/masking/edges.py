"""From a binary mask to one that is a little larger and has a soft edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap
from ivm.masking.blurring import blurred_mask
from ivm.masking.boxes import Box, bounding_box, crop, grow_box

_NARROW = 31
"""Widest kernel in pixels up to which OpenCV's dilation is faster than counting."""


def soft_edge_box(binary: NDArray[np.bool_], kernel: int) -> Box | None:
    """Return the box of the non-zero pixels of `soft_edged(binary, kernel)`, or None where `binary` is empty."""
    box = bounding_box(binary)
    return None if box is None else grow_box(box, 2 * (kernel // 2), *binary.shape)


def soft_edged(binary: NDArray[np.bool_], kernel: int) -> Heatmap:
    """Dilate a mask with a square and blur its edge with a Gaussian, both `kernel` pixels wide.

    Args:
        binary: (H, W) bool.
        kernel: odd; half of it is how far the mask grows, and how far its edge reaches to both sides.

    Returns:
        (H, W) float32 in [0, 1]: 1 on `binary`, 0 beyond twice half the kernel.
    """
    hard = np.zeros(binary.shape, np.float32)
    box = soft_edge_box(binary, kernel)
    if box is None:
        return hard
    # The margin holds every pixel that the blur inside the box sees; what is mirrored at its far side is not seen.
    left, top, *_ = margin = grow_box(box, kernel // 2, *binary.shape)
    soft = blurred_mask(dilated(crop(binary, margin).view(np.uint8), kernel), kernel)
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    np.clip(crop(soft, inner), 0, 1, out=crop(hard, box))
    hard[binary] = 1
    return hard


def dilated(mask: NDArray[np.uint8], kernel: int) -> NDArray[np.uint8]:
    """Dilate a mask (H, W) of 0 and 1 with a square `kernel` pixels wide, in a time that hardly grows with it."""
    import cv2

    if kernel <= _NARROW:
        return np.asarray(cv2.dilate(mask, np.ones((kernel, kernel), np.uint8)), np.uint8)
    count = cv2.boxFilter(mask, cv2.CV_32S, (kernel, kernel), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.greater(count, 0).view(np.uint8)
