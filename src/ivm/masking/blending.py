"""A picture inside a soft-edged mask, something else around it; and the heatmap over the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap, RGBImage
from ivm.masking.boxes import Box
from ivm.masking.style import Color

_ROWS = 64
"""Rows that are blended at a time, so that the weights stay in the processor's cache."""

_STRENGTH = 0.6
"""Share of the colour where a heatmap lies over a picture."""


def blend_onto(ground: RGBImage, image: RGBImage, hard: Heatmap, box: Box) -> RGBImage:
    """Overwrite `ground` by `hard * image + (1 - hard) * ground`, rounded, and return it.

    Args:
        ground: (H, W, 3) uint8; changed.
        image: (H, W, 3) uint8.
        hard: (H, W) float32 in [0, 1], 0 outside `box`.
        box: where the mask is.
    """
    import cv2

    x0, top, x1, bottom = box
    for y0 in range(top, bottom, _ROWS):
        part = np.s_[y0 : min(y0 + _ROWS, bottom), x0:x1]
        weights = hard[part]
        ground[part] = cv2.blendLinear(image[part], ground[part], weights, 1 - weights)
    return ground


def plain(color: Color, height: int, width: int) -> RGBImage:
    """Return a picture (height, width, 3) uint8 of one colour."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[...] = np.tile(np.array(color, np.uint8), (width, 1))
    return picture


def with_alpha(image: RGBImage, hard: Heatmap) -> NDArray[np.uint8]:
    """Return (H, W, 4) uint8: the picture's RGB and, as alpha, `hard * 255` rounded."""
    import cv2

    out = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    cv2.insertChannel(cv2.convertScaleAbs(hard, alpha=255), out, 3)
    return np.asarray(out, np.uint8)


def grey(image: RGBImage) -> RGBImage:
    """Return the picture without colour: luma of ITU-R BT.601 in all three channels, (H, W, 3) uint8."""
    import cv2

    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def heat_overlay(image: RGBImage, soft: Heatmap) -> RGBImage:
    """Lay a heatmap in colour, blue for 0 and red for 1, over the picture in grey.

    Args:
        image: (H, W, 3) uint8.
        soft: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8.
    """
    import cv2

    colors = cv2.applyColorMap(cv2.convertScaleAbs(soft, alpha=255), cv2.COLORMAP_TURBO)
    colors = cv2.cvtColor(colors, cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(colors, _STRENGTH, grey(image), 1 - _STRENGTH, 0), np.uint8)
