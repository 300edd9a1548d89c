"""A mask from a few clicks, without a model: Rother et al., "GrabCut" (SIGGRAPH 2004)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.model import RGBImage

_ROUNDS = 3
_LONGEST = 512
"""Side at which it is computed: a click is answered within a second."""


def mask_from_points(
    image: RGBImage, mask: NDArray[np.bool_], points: Sequence[tuple[float, float, bool]]
) -> NDArray[np.bool_]:
    """Let clicks correct a mask.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, what is thought needed so far; may be empty.
        points: x, y in pixels from the top left, and whether the thing is there.

    Returns:
        (H, W) bool.

    Raises:
        OptionError: there is no point, or one lies outside the picture.
    """
    height, width = mask.shape
    if not points or any(not (0 <= x < width and 0 <= y < height) for x, y, _ in points):
        raise OptionError(f"Points must lie in the picture, {width}x{height} pixels, and be at least one")
    scale = min(1.0, _LONGEST / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(np.ascontiguousarray(image[..., ::-1]), size, interpolation=cv2.INTER_AREA)
    guess = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    labels = np.where(guess > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    radius = max(2, round(0.02 * max(size)))
    for x, y, there in points:
        place = (int(x * scale), int(y * scale))
        cv2.circle(labels, place, 3 * radius, cv2.GC_PR_FGD if there else cv2.GC_PR_BGD, -1)
        cv2.circle(labels, place, radius, cv2.GC_FGD if there else cv2.GC_BGD, -1)
    if not np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD)).any() or not np.isin(labels, (1, 3)).any():
        return np.full(mask.shape, bool((labels == cv2.GC_FGD).any()))
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, labels, (0, 0, 1, 1), models[0], models[1], _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    drawn = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    result: NDArray[np.bool_] = np.asarray(drawn) > 0
    return result
