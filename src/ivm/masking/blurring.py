"""A wide Gaussian blur of a large picture, at the cost of a small one."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import RGBImage

_SMALLEST_SIGMA = 6.0
"""Least standard deviation, in pixels of the reduced picture; with less, the linear enlargement would show."""

_ROWS = 16
"""Rows of the reduced picture that are enlarged at a time, so that floating point stays in the processor's cache."""


def blurred(image: RGBImage, kernel: int) -> RGBImage:
    """Blur a picture with OpenCV's Gaussian of an odd `kernel` in pixels, mirrored at the borders.

    A blurred picture has no detail finer than its Gaussian, so a wide one is computed on a reduced picture and then
    enlarged.

    Args:
        image: (H, W, 3) uint8.
        kernel: odd side of the kernel; the standard deviation follows from it by OpenCV's rule.

    Returns:
        (H, W, 3) uint8, less than 2 from the same blur computed in full, rounding included.
    """
    import cv2

    factor = _factor(kernel)
    if factor == 1:  # in float, for OpenCV's 8-bit Gaussian rounds its weights and misses by up to 4
        weights = np.asarray(cv2.getGaussianKernel(kernel, 0), np.float64)
        return np.asarray(cv2.convertScaleAbs(cv2.sepFilter2D(image, cv2.CV_32F, weights, weights)), np.uint8)
    return _enlarged(_blurred_small(image, kernel, factor), factor, *image.shape[:2])


def blurred_mask(mask: NDArray[np.uint8], kernel: int) -> NDArray[np.float32]:
    """Blur a mask as `blurred` blurs a picture.

    Args:
        mask: (H, W) uint8, 0 or 1.
        kernel: odd side of the kernel.

    Returns:
        (H, W) float32 in [0, 1]; a kernel below 79 gives OpenCV's own numbers, a wider one is within 0.01 of them.
    """
    import cv2

    factor = _factor(kernel)
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (kernel, kernel), 0), np.float32)
    small = _blurred_small(mask * np.uint8(255), kernel, factor) * np.float32(1 / 255)
    large = cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    height, width = mask.shape
    return np.asarray(large[factor : factor + height, factor : factor + width], np.float32)


def _factor(kernel: int) -> int:
    """Return how many pixels to a side of a block the picture is reduced for a kernel: a power of two."""
    import cv2

    weights = np.asarray(cv2.getGaussianKernel(kernel, 0)[:, 0], np.float64)
    sigma = float(np.square(np.arange(kernel) - kernel // 2) @ weights) ** 0.5
    factor = 1
    while sigma / (2 * factor) >= _SMALLEST_SIGMA:
        factor *= 2
    return factor


def _blurred_small(image: NDArray[np.uint8], kernel: int, factor: int) -> NDArray[np.float32]:
    """Return the reduced and blurred picture, which begins one block before the picture and ends beyond it."""
    import cv2

    border = (-(-(kernel // 2) // factor) + 1) * factor
    narrow = _small_kernel(kernel, factor)
    small = np.asarray(cv2.sepFilter2D(_reduced(image, border, factor), cv2.CV_32F, narrow, narrow), np.float32)
    keep = border // factor - 1
    return small[keep:, keep:]


def _reduced(image: NDArray[np.uint8], border: int, factor: int) -> NDArray[np.uint8]:
    """Mirror a border around a picture, fill up to whole blocks of `factor` pixels, and average each block."""
    import cv2

    below, right = (border + -side % factor for side in image.shape[:2])
    padded = cv2.copyMakeBorder(image, border, below, border, right, cv2.BORDER_REFLECT_101)
    size = padded.shape[1] // factor, padded.shape[0] // factor
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.uint8)


@functools.lru_cache(maxsize=32)
def _small_kernel(kernel: int, factor: int) -> NDArray[np.float64]:
    """Return the kernel on the reduced picture with which reducing, blurring and enlarging equal the full blur.

    Variances add up: what averaging blocks and enlarging linearly blur already is taken off. The standard deviation is
    searched for, because cutting a Gaussian off at the kernel's end lowers its variance.

    Returns:
        (n,) float64, n odd, sum 1.
    """
    import cv2

    weights = np.asarray(cv2.getGaussianKernel(kernel, 0)[:, 0], np.float64)
    offsets = (np.arange(factor) + 0.5) / factor
    averaging = (factor**2 - 1) / 12
    enlarging = factor**2 * float(np.mean(offsets * (1 - offsets)))
    full = float(np.square(np.arange(kernel) - kernel // 2) @ weights)
    wanted = (full - averaging - enlarging) / factor**2

    radius = round(kernel // 2 / factor)
    squares = np.square(np.arange(-radius, radius + 1, dtype=np.float64))
    low, high = 0.5 * wanted**0.5, 2 * wanted**0.5
    for _ in range(40):
        sigma = (low + high) / 2
        weights = np.exp(-squares / (2 * sigma**2))
        weights /= weights.sum()
        low, high = (sigma, high) if weights @ squares < wanted else (low, sigma)
    return weights


def _enlarged(small: NDArray[np.float32], factor: int, height: int, width: int) -> RGBImage:
    """Enlarge linearly by `factor` and round; `small` begins one block before the picture and ends beyond it."""
    import cv2

    out = np.empty((height, width, 3), np.uint8)
    small = small[:, : -(-width // factor) + 2]
    for top in range(0, height, _ROWS * factor):
        first = top // factor
        rows = small[first : first + _ROWS + 2]
        large = cv2.resize(rows, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        part = out[top : top + _ROWS * factor]
        part[...] = cv2.convertScaleAbs(large[factor : factor + len(part), factor : factor + width])
    return out
