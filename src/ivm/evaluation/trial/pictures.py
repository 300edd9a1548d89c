"""The pictures that each arm of a trial sends: pure functions of a picture and a mask."""

from __future__ import annotations

import zlib
from dataclasses import asdict

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.model import RGBImage
from ivm.evaluation.suites.item import VisualQuestion
from ivm.masking import MaskResult
from ivm.masking.boxes import Box, bounding_box, crop

LEAST_SIDE = 32
"""Sides of what is sent, at least: below it some models refuse a picture."""


def shown(view: str, result: MaskResult) -> list[RGBImage]:
    """The pictures of a view, one or two, each (h, w, 3) uint8.

    Args:
        view: a name in `variants.VIEWS`.
        result: the picture with its mask; where that keeps the picture whole, so does every view.
    """
    match view:
        case "raw":
            return [result.image]
        case "highlight":
            return [result.highlight_image]
        case "blur":
            return [result.blur_image]
        case "gray":
            return [result.grayscale_image]
        case "inpaint":
            return [result.inpaint_image]
        case "alpha":
            share = result.hard[..., None]
            return [(result.image * share + 0.5).astype(np.uint8)]
        case "crop-highlight":
            return [large_enough(result.cropped_highlight_img)]
        case "crop-blur":
            return [large_enough(result.cropped_blur_img)]
        case "crop":
            return [large_enough(crop(result.image, result.bbox))]
        case "original+crop":
            return [result.image, large_enough(crop(result.image, result.bbox))]
    raise AssertionError(f"every view is rendered, {view} too")


def matched(image: RGBImage, like: list[RGBImage]) -> RGBImage:
    """The whole picture with as many pixels as all the pictures of a view together have."""
    height, width = image.shape[:2]
    pixels = sum(one.shape[0] * one.shape[1] for one in like)
    scale = (pixels / (height * width)) ** 0.5
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return large_enough(np.asarray(cv2.resize(image, size, interpolation=way), np.uint8))


def large_enough(image: RGBImage) -> RGBImage:
    """The picture, enlarged if a side is below `LEAST_SIDE`."""
    height, width = image.shape[:2]
    scale = LEAST_SIDE / min(height, width)
    if scale <= 1:
        return np.ascontiguousarray(image)
    size = max(LEAST_SIDE, round(width * scale)), max(LEAST_SIDE, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def boxes_mask(boxes: tuple[Box, ...], height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) bool, True inside any of the boxes."""
    mask = np.zeros((height, width), np.bool_)
    for x0, y0, x1, y1 in boxes:
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return mask


def with_mask(result: MaskResult, mask: NDArray[np.bool_]) -> MaskResult:
    """The same picture and style with another mask; an empty one keeps the picture whole."""
    return MaskResult.from_heatmap(result.image, mask, 0.5, result.style.preset, **asdict(result.style))


def moved(mask: NDArray[np.bool_], question: VisualQuestion, seed: int) -> NDArray[np.bool_]:
    """Move a mask as it is to a random place inside the picture: the same area and form, drawn from seed and question.

    All places where the whole mask fits are equally likely, the right one too; a mask that is as large as the picture
    stays where it is.
    """
    box = bounding_box(mask)
    if box is None:
        return mask
    x0, y0, x1, y1 = box
    height, width = mask.shape
    rng = np.random.default_rng((seed, zlib.crc32(question.id.encode())))
    left, top = int(rng.integers(width - (x1 - x0) + 1)), int(rng.integers(height - (y1 - y0) + 1))
    away = np.zeros_like(mask)
    away[top : top + y1 - y0, left : left + x1 - x0] = mask[y0:y1, x0:x1]
    return away
