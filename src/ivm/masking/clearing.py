"""An empty table: what stands out from the surface of a picture is replaced by that surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap, RGBImage
from ivm.masking.blending import blend_onto
from ivm.masking.surface import difference, fit_surface, spread_over

_SIDE = 320
"""Longest side in pixels at which things are looked for; what replaces them is smooth: more would only take longer."""

_NEAR = 10.0
"""Difference in Lab from the fitted surface with which a pixel is taken for surface at first."""

_LOW, _HIGH = 3.0, 6.0
"""In spreads of the surface's own texture: a thing has a pixel above the high one and reaches as far as the low one.
So a thing's shadow goes with it, and the grain of wood stays."""

_LIGHTNESS_SPREAD = (0.7, 3.0)
_CHROMA_SPREAD = (0.5, 1.5)
"""Least and most spread in Lab: below it sensors' noise would stand out, above it things would pass for texture."""

_ROUNDS = 3
_ISLAND = 0.01
"""Share of the picture below which a patch of surface, cut off by things, is taken for part of them: a white plate's
bottom on a white table."""

_LEAST_SURFACE = 0.1
"""Share of what is looked at below which there is no surface to speak of."""


def cleared(image: RGBImage, hard: Heatmap) -> RGBImage:
    """Replace whatever stands out from the picture's dominant surface by that surface.

    The surface is what most of the picture outside the mask agrees with: a colour that changes smoothly over the
    picture, with the texture it shows. Everything else, walls and the robot included, is filled from the surface
    around it; where the picture already shows the surface it stays as it is, pixel for pixel. A wide thing of nearly
    the surface's colour may pass for it. What is inside the mask is not protected here: put it back with `blend_onto`.

    Where less than a tenth of the picture agrees on one surface, there is nothing to fill from: then all of it becomes
    a very wide blur of what is outside the mask.

    Args:
        image: (H, W, 3) uint8.
        hard: (H, W) float32 in [0, 1]; what is above one half is left out when the surface is looked for.

    Returns:
        (H, W, 3) uint8; a copy of the picture where the mask leaves nothing outside.
    """
    import cv2

    height, width = hard.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    outside = np.asarray(cv2.resize(hard, size, interpolation=cv2.INTER_AREA), np.float32) < 0.5
    if not outside.any():
        return image.copy()
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32) / 255
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.float32)

    fill, share = _filled(lab, outside)
    keep = np.asarray(cv2.resize(1 - share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    colors = cv2.convertScaleAbs(np.clip(cv2.cvtColor(fill, cv2.COLOR_Lab2RGB), 0, 1), alpha=255)
    ground = np.asarray(cv2.resize(colors, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return blend_onto(ground, image, keep, (0, 0, width, height))


def _filled(lab: NDArray[np.float32], outside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what to fill with, (h, w, 3) float32 Lab, and how much of it to take, (h, w) float32 in [0, 1]."""
    surface = fit_surface(lab, outside)
    clutter, distance = _clutter(lab - surface, outside)
    if np.mean(clutter[outside]) > 1 - _LEAST_SURFACE:
        return _wide_blur(lab, outside), np.ones(outside.shape, np.float32)

    margin = _margin(*outside.shape)
    # Next to a thing lie its shadow and its reflection, which would smear into the fill.
    source = outside & ~_grown(clutter, margin)
    weights = (source / (1 + np.square(distance / _LOW))).astype(np.float32)
    fill = surface + spread_over(lab - surface, weights)
    return _gaussian(fill, margin), _feathered(clutter, margin)


def _clutter(rest: NDArray[np.float32], outside: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Find what stands out from the surface.

    Args:
        rest: (h, w, 3) float32, difference in Lab from the fitted surface.
        outside: (h, w) bool, where the surface may be learned.

    Returns:
        (h, w) bool, grown by a margin; and (h, w) float32, how far each pixel is off, in spreads of the texture.
    """
    clutter, distance = difference(rest) >= _NEAR, np.zeros(outside.shape, np.float32)
    for _ in range(_ROUNDS):
        known = outside & ~clutter
        if not known.any():
            return np.ones(outside.shape, np.bool_), distance
        distance = _distance(rest, known)
        clutter = _connected(distance)
    margin = _margin(*outside.shape)
    return _without_islands(_grown(clutter, margin)), distance


def _distance(rest: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how far each pixel is from the surface near it, (h, w) float32, in spreads of the surface's texture."""
    sigma = max(known.shape) / 16
    weights = known.astype(np.float32)
    # The constant pulls towards the fitted surface where little of it is known nearby.
    near = _gaussian(rest * weights[..., None], sigma) / (_gaussian(weights, sigma) + np.float32(0.05))[..., None]
    off = rest - near
    lightness = _spread(off[known][:, 0], *_LIGHTNESS_SPREAD)
    chroma = _spread(off[known][:, 1:], *_CHROMA_SPREAD)
    return np.asarray(
        np.sqrt(np.square(off[..., 0] / lightness) + np.square(off[..., 1:] / chroma).sum(-1)), np.float32
    )


def _spread(values: NDArray[np.float32], least: float, most: float) -> float:
    """Return the standard deviation that the median deviation of normally distributed values has, within limits."""
    return float(np.clip(1.4826 * np.median(np.abs(values)), least, most))


def _connected(distance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the regions above the low threshold that hold a pixel above the high one, (h, w) bool."""
    import cv2

    count, labels = cv2.connectedComponents((distance > _LOW).astype(np.uint8), connectivity=4)
    things = np.zeros(count, np.bool_)
    things[labels[distance > _HIGH]] = True
    return np.asarray(things[labels], np.bool_)


def _without_islands(clutter: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close small holes in what stands out."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats((~clutter).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _ISLAND * clutter.size
    small[0] = True  # the first label is the clutter itself
    return np.asarray(small[labels], np.bool_)


def _margin(height: int, width: int) -> int:
    """Return how far in pixels the edge of a thing reaches on the reduced picture."""
    return max(round(max(height, width) / 100), 1)


def _grown(mask: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """Dilate with a disc of radius `margin`."""
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), np.bool_)


def _feathered(mask: NDArray[np.bool_], margin: int) -> NDArray[np.float32]:
    """Return (h, w) float32 in [0, 1]: 1 on the mask, falling to 0 over twice the margin beyond it."""
    import cv2

    side = 2 * margin + 1
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(np.float32)
    return np.clip(np.asarray(cv2.blur(wide, (side, side)), np.float32), 0, 1)


def _gaussian(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur (h, w) or (h, w, 3) float32."""
    import cv2

    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def _wide_blur(lab: NDArray[np.float32], outside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Blur what is outside over an eighth of the picture, (h, w, 3) float32."""
    sigma = max(outside.shape) / 8
    return _gaussian(spread_over(lab, outside.astype(np.float32)), sigma)
