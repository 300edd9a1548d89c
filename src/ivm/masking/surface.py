"""The surface that most of a picture shows, found although things lie on it: smooth colour over position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LIGHTNESS_WEIGHT = 0.5
"""Share of a difference in lightness: a shadow on the surface is still the surface, another colour is not."""

_SAMPLES = 2000
"""Pixels that the fit looks at; six coefficients need no more."""

_SCALES = (16.0, 12.0, 8.0, 6.0, 5.0, 4.0, 4.0, 4.0)
"""Differences in Lab at which a pixel's weight falls to a quarter, from round to round of the fit."""

_START = 10.0
"""Difference in Lab from one of the commonest colours with which a pixel takes part in the first round."""

_STARTS = 4
"""Commonest colours tried: one thing in one colour may fill a bin more than a surface in many shades."""

_BIN = 8.0
_RIDGE = 1e-9


def fit_surface(lab: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fit one quadratic of the position to each channel, so that as many pixels as possible agree with it.

    Reweighted least squares with Geman and McClure's weights, narrowed step by step; begun from each of the commonest
    colours, for any one alone may settle on the wrong surface. The fit that most pixels agree with is returned.

    Args:
        lab: (h, w, 3) float32, CIE Lab, lightness in [0, 100].
        usable: (h, w) bool, where to look; at least one pixel.

    Returns:
        (h, w, 3) float32 Lab of the surface, the pixels that are not usable included.
    """
    terms = _terms(*usable.shape)
    where = np.flatnonzero(usable)
    where = where[:: max(where.size // _SAMPLES, 1)]
    seen, at = lab.reshape(-1, 3)[where].astype(np.float64), terms[where]

    starts = [(difference(seen - color) < _START).astype(np.float64) for color in _commonest(seen)]
    fits = [_fit(at, seen, start) for start in starts]
    coefficients = max(fits, key=lambda fit: fit[1])[0]
    return np.asarray(terms @ coefficients, np.float32).reshape(lab.shape)


def difference(lab: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the length of differences (..., 3) in Lab, lightness counted half: (...)."""
    return np.asarray(np.sqrt(np.square(lab[..., 0] * _LIGHTNESS_WEIGHT) + np.square(lab[..., 1:]).sum(-1)))


def spread_over(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill where the weight is below 1 from the nearest places that have weight (push-pull over a pyramid).

    Args:
        values: (h, w, 3) float32.
        weights: (h, w) float32 in [0, 1]; 1 keeps a value as it is, 0 ignores it.

    Returns:
        (h, w, 3) float32; 0 where no place has any weight.
    """
    return _push_pull(np.asarray(values * weights[..., None], np.float32), weights)


def _push_pull(weighted: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    height, width = weights.shape
    if height == width == 1:
        return np.asarray(weighted / np.maximum(weights, _RIDGE)[..., None], np.float32)
    size = (width + 1) // 2, (height + 1) // 2
    coarse = np.asarray(cv2.resize(weights, size, interpolation=cv2.INTER_AREA), np.float32)
    values = np.asarray(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), np.float32)
    # One full pixel of the four is enough for the coarse pixel to be sure of its value.
    gain = np.asarray(np.minimum(coarse * 4, 1) / np.maximum(coarse, _RIDGE), np.float32)
    low = _push_pull(np.asarray(values * gain[..., None], np.float32), np.asarray(coarse * gain, np.float32))
    up = np.asarray(cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(weighted + (1 - weights)[..., None] * up, np.float32)


def _terms(height: int, width: int) -> NDArray[np.float64]:
    """Return the six terms of a quadratic at each pixel: (height * width, 6), x and y in [-1, 1]."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)


def _commonest(lab: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the median colours (3,) of the fullest bins of a histogram over Lab; `lab` is (n, 3)."""
    _, bins, counts = np.unique(np.floor(lab / _BIN), axis=0, return_inverse=True, return_counts=True)
    fullest = np.argsort(-counts, kind="stable")[:_STARTS]
    return [np.median(lab[bins.ravel() == number], axis=0) for number in fullest]


def _fit(
    terms: NDArray[np.float64], lab: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the coefficients (6, 3), and how many pixels agree with them."""
    coefficients = np.zeros((6, 3))
    for scale in _SCALES:
        weighted = terms * weights[:, None]
        # The ridge keeps pictures of one row, column or pixel solvable.
        square = weighted.T @ terms + np.eye(6) * (_RIDGE * max(weights.sum(), 1.0))
        coefficients = np.linalg.solve(square, weighted.T @ lab)
        weights = 1 / np.square(1 + np.square(difference(lab - terms @ coefficients) / scale))
    return coefficients, float(weights.sum())
