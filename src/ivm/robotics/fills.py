"""What a policy sees in place of what an instruction does not need."""

from __future__ import annotations

from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.model import Heatmap, RGBImage
from ivm.masking.result import MaskResult

Fill = Literal["none", "white", "blur", "mean", "inpaint", "tint", "soft"]
FILLS: tuple[Fill, ...] = get_args(Fill)
"""none: the picture itself; white: the paper's overlay; blur; mean: the picture's mean colour; inpaint: the table's
surface in place of things; tint: the target in colour, all else as it is; soft: the mask as a fourth channel."""

TINT = (255, 0, 255)
"""Colour of the tint, which nothing on a table has."""


def check_fill(fill: Any) -> Fill:
    """Return a fill's name.

    Raises:
        OptionError: there is none of that name.
    """
    if fill not in FILLS:
        raise OptionError(f"There is no fill {fill!r}: use {', '.join(FILLS)}")
    chosen: Fill = fill
    return chosen


def channels(fill: Fill) -> int:
    """Return the channels of what a fill gives: 3, or 4 for "soft"."""
    return 4 if fill == "soft" else 3


def filled(image: RGBImage, soft: Heatmap | None, fill: Fill, threshold: float = 0.5) -> NDArray[np.uint8]:
    """Fill in what is not needed.

    Args:
        image: (H, W, 3) uint8 RGB.
        soft: (H, W) float32 in [0, 1], what is needed; None keeps the whole picture.
        fill: how.
        threshold: in [0, 1].

    Returns:
        (H, W, 3) uint8, or (H, W, 4) for "soft", whose last channel is the mask, 255 where it is needed.
    """
    if fill == "soft":
        mask = np.full(image.shape[:2], 255, np.uint8) if soft is None else np.round(soft * 255).astype(np.uint8)
        return np.dstack([image, mask])
    if fill == "none" or soft is None:
        return image
    edge = _odd(image.shape[0] / 32)
    if fill == "tint":
        return _tinted(image, soft > threshold)
    options: dict[str, Any] = {"dilate_kernel_size": edge, "blur_kernel_size": _odd(image.shape[0] / 3)}
    if fill == "mean":
        options["fill_color"] = tuple(int(part) for part in cv2.mean(image)[:3])
    result = MaskResult.from_heatmap(image, soft, threshold, **options)
    if fill == "blur":
        return result.blur_image
    return result.inpaint_image if fill == "inpaint" else result.highlight_image


def _odd(size: float) -> int:
    return 2 * round(size / 2) + 1


def _tinted(image: RGBImage, mask: NDArray[np.bool_]) -> RGBImage:
    out = image.copy()
    if mask.any():
        out[mask] = np.round(0.5 * image[mask] + 0.5 * np.array(TINT)).astype(np.uint8)
    return out


def shrunk(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return (size, size, C) uint8, areas averaged."""
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
