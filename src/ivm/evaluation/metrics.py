"""How well a heatmap shows one labelled object: two numbers, both in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap

Mask = NDArray[np.bool_]
"""(H, W) bool: True on the object."""


def mask_iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union of two masks of one picture, both (H, W) bool.

    Returns:
        Area of what both hold over area of what either holds; 1.0 where both are empty.

    Raises:
        ValueError: they differ in shape, or are not bool.
    """
    _check(mask, truth)
    if mask.dtype != np.bool_:
        raise ValueError(f"A mask must be bool, not {mask.dtype}")
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def pointing_hit(heatmap: Heatmap, truth: Mask) -> float:
    """Whether the heatmap is highest inside the object: the pointing game of Zhang et al. (arXiv 1608.00507).

    Args:
        heatmap: (H, W) float; only its order matters.
        truth: (H, W) bool.

    Returns:
        1.0 for inside, 0.0 for outside; where several pixels share the maximum, the share of them that is inside, so
        that a heatmap of one value gets what a blind guess would.

    Raises:
        ValueError: they differ in shape, the heatmap holds NaN, or the mask is not bool.
    """
    _check(heatmap, truth)
    if np.isnan(heatmap).any():
        raise ValueError("The heatmap holds NaN, so that it is highest nowhere")
    return float(truth[heatmap == heatmap.max()].mean())


def _check(first: NDArray[np.generic], truth: Mask) -> None:
    if truth.dtype != np.bool_:
        raise ValueError(f"A true mask must be bool, not {truth.dtype}")
    if first.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"Expected two arrays of one shape (H, W), got {first.shape} and {truth.shape}")
