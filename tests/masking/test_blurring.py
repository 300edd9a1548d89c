"""The blur on a reduced picture against the same blur in full, on pictures that are hard for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ivm.masking.blurring import blurred, blurred_mask

RANDOM = np.random.default_rng(1)


def stripes_at_the_border():
    picture = np.zeros((150, 203, 3), np.uint8)
    picture[:, :1] = picture[-2:] = picture[:, 100:] = 255
    return picture


PICTURES = {
    "noise": RANDOM.integers(0, 2, (151, 222, 3)).astype(np.uint8) * 255,
    "stripes at the border": stripes_at_the_border(),
    "one block": RANDOM.integers(0, 256, (3, 5, 3)).astype(np.uint8),
    "one pixel": np.full((1, 1, 3), 77, np.uint8),
    "one row": RANDOM.integers(0, 256, (1, 400, 3)).astype(np.uint8),
    "white": np.full((40, 30, 3), 255, np.uint8),
}


@pytest.mark.parametrize("kernel", [1, 3, 21, 81, 99, 201, 401])
@pytest.mark.parametrize("name", PICTURES)
def test_near_the_full_blur(name, kernel):
    picture = PICTURES[name]
    full = cv2.GaussianBlur(picture.astype(np.float32), (kernel, kernel), 0)
    ours = blurred(picture, kernel)
    assert (ours.shape, ours.dtype) == (picture.shape, np.uint8)
    exact = kernel < 81  # only rounded; the others are computed on a reduced picture
    assert np.abs(ours - full).max() <= (0.51 if exact else 1.6)


def test_1_blurs_nothing():
    np.testing.assert_array_equal(blurred(PICTURES["noise"], 1), PICTURES["noise"])


@pytest.mark.parametrize("kernel", [99, 201])
def test_a_mask_is_blurred_as_widely_as_in_full(kernel):
    """Without the correction for what averaging and enlarging blur, this is 0.37 and 0.43 of 255."""
    random = np.random.default_rng(0)
    for _ in range(6):
        mask = np.zeros((300, 401), np.uint8)
        x, y = random.integers(20, 200), random.integers(20, 150)
        mask[y : y + random.integers(3, 120), x : x + random.integers(3, 160)] = 1
        full = cv2.GaussianBlur(mask.astype(np.float32), (kernel, kernel), 0)
        assert 255 * np.abs(blurred_mask(mask, kernel) - full).max() <= 0.25
