"""The soft-edged mask against the original's steps in full, narrow and wide."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given

from ivm.masking.boxes import bounding_box
from ivm.masking.edges import dilated, soft_edge_box, soft_edged
from mask_strategies import KERNELS, MASKS


def in_full(binary, kernel):
    grown = cv2.dilate(binary.astype(np.uint8), np.ones((kernel, kernel), np.uint8))
    return cv2.GaussianBlur(grown.astype(np.float32), (kernel, kernel), 0)


def test_a_point_becomes_a_square_with_a_soft_edge():
    point = np.zeros((1, 9), bool)
    point[0, 4] = True
    np.testing.assert_allclose(soft_edged(point, 3), [[0, 0, 0.25, 0.75, 1, 0.75, 0.25, 0, 0]])


def test_nothing_stays_nothing():
    assert not soft_edged(np.zeros((5, 5), bool), 21).any()
    assert soft_edge_box(np.zeros((5, 5), bool), 21) is None


@given(MASKS, KERNELS)
def test_working_inside_the_box_changes_nothing(binary, kernel):
    np.testing.assert_allclose(soft_edged(binary, kernel), in_full(binary, kernel), atol=1e-6)


@pytest.mark.parametrize("kernel", [33, 77, 79, 151, 301])
@pytest.mark.parametrize("corner", [(0, 0), (150, 333), (389, 520)])
def test_a_wide_edge(kernel, corner):
    binary = np.zeros((420, 560), bool)
    y, x = corner
    binary[y : y + 31, x : x + 40] = True
    hard = soft_edged(binary, kernel)
    assert np.abs(hard - in_full(binary, kernel)).max() <= 0.01
    assert (hard[binary] == 1).all()
    assert bounding_box(hard > 0) == soft_edge_box(binary, kernel) == bounding_box(in_full(binary, kernel) > 0)


@pytest.mark.parametrize("kernel", [1, 31, 33, 99])
def test_counting_dilates_as_opencv_does(kernel):
    mask = (np.random.default_rng(0).random((70, 90)) > 0.999).astype(np.uint8)
    np.testing.assert_array_equal(dilated(mask, kernel), cv2.dilate(mask, np.ones((kernel, kernel), np.uint8)))
