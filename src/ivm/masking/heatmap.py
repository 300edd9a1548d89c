"""From a model's logits to a heatmap and a binary mask; checks on what comes from outside."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError, ThresholdError
from ivm.core.model import Heatmap

_ROWS = 64
"""Rows that are worked on at a time, so that they stay in the processor's cache."""


def check_threshold(threshold: float) -> float:
    """Return a threshold as float.

    Raises:
        ThresholdError: it is not a number, NaN, or outside [0, 1].
    """
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise ThresholdError(f"The threshold must be a number from 0 to 1, not {threshold!r}: 0.5 is usual")
    return float(threshold)


def check_probability(found: float | None) -> float | None:
    """Return a probability as float, or None.

    Raises:
        OptionError: it is not a number, NaN, or outside [0, 1].
    """
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, Real) or not 0 <= found <= 1:
        raise OptionError(f"found must be a probability from 0 to 1 or None, not {found!r}")
    return float(found)


def check_heatmap(soft: NDArray[Any], height: int, width: int) -> Heatmap:
    """Return a heatmap as (H, W) float32.

    Args:
        soft: (H, W) or (H, W, 1), float or bool, in [0, 1].
        height: H of the picture.
        width: W of the picture.

    Raises:
        OptionError: another shape or dtype, or a value that is NaN or outside [0, 1].
    """
    array = np.asarray(soft)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.shape != (height, width):
        raise OptionError(
            f"The heatmap has the shape {array.shape}, the picture is {height} x {width} (height x width): resize the "
            "heatmap, or pass logits to MaskResult.from_logits"
        )
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.floating):
        raise OptionError(f"The heatmap has dtype {array.dtype}: pass float values in [0, 1]")
    if not (array.min() >= 0 and array.max() <= 1):
        raise OptionError("The heatmap must lie in [0, 1] without NaN: pass probabilities, or logits to from_logits")
    return np.ascontiguousarray(array, np.float32)


def upsample_logits(logits: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """Resize a model's logits (h, w) to the picture's (height, width), as float32.

    Bilinear with pixel centres at half-integers and no smoothing on shrinking, the same as PyTorch's
    `interpolate(mode="bilinear", align_corners=False)`.

    Raises:
        OptionError: not a float array of two axes with at least one value, or a value is not finite.
    """
    array = np.asarray(logits)
    if array.ndim != 2 or array.size == 0 or not np.issubdtype(array.dtype, np.floating):
        raise OptionError(f"The logits must be a float array (h, w), not {array.dtype} {array.shape}")
    array = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(array).all():
        raise OptionError("The logits hold NaN or infinity: the model that made them is damaged")
    if array.shape == (height, width):
        return array.copy()
    import cv2

    return np.asarray(cv2.resize(array, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def sigmoid(logits: NDArray[np.float32]) -> Heatmap:
    """Return 1 / (1 + exp(-logits)) of (H, W) float32, without overflow."""
    soft = np.empty_like(logits)
    for top in range(0, len(logits), _ROWS):
        rows = soft[top : top + _ROWS]
        np.clip(logits[top : top + _ROWS], -87, None, out=rows)
        np.negative(rows, out=rows)
        np.exp(rows, out=rows)
        rows += 1
        np.reciprocal(rows, out=rows)
    return soft


def logit(threshold: float) -> float:
    """Return the value whose sigmoid is `threshold` in [0, 1]; the ends give minus and plus infinity."""
    if threshold in (0, 1):
        return math.copysign(math.inf, threshold - 0.5)
    return math.log(threshold / (1 - threshold))
