"""How much two masks have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mask_iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_], *, empty: float = 1.0) -> float:
    """Intersection over union of two masks of one picture.

    Args:
        mask: (H, W) bool.
        truth: (H, W) bool.
        empty: what two empty masks count as.

    Returns:
        Area of what both hold over area of what either holds, in [0, 1].

    Raises:
        ValueError: they differ in shape, or are not bool.
    """
    if mask.dtype != np.bool_ or truth.dtype != np.bool_:
        raise ValueError(f"Masks must be bool, not {mask.dtype} and {truth.dtype}")
    if mask.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"Expected two masks of one shape (H, W), got {mask.shape} and {truth.shape}")
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else empty
