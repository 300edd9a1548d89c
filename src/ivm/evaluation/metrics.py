"""Whether a heatmap points at one labelled object; how well a mask fits it is `masking.overlap.mask_iou`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap

Mask = NDArray[np.bool_]
"""(H, W) bool: True on the object."""


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
    if truth.dtype != np.bool_:
        raise ValueError(f"A true mask must be bool, not {truth.dtype}")
    if heatmap.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"Expected two arrays of one shape (H, W), got {heatmap.shape} and {truth.shape}")
    if np.isnan(heatmap).any():
        raise ValueError("The heatmap holds NaN, so that it is highest nowhere")
    return float(truth[heatmap == heatmap.max()].mean())
