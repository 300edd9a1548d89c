"""Boxes are half-open and tight."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ivm.masking.boxes import bounding_box, crop, grow_box
from mask_strategies import MASKS


def test_a_box_ends_one_past_the_last_pixel():
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = mask[2, 4] = True
    assert bounding_box(mask) == (2, 1, 5, 3)
    assert crop(mask, (2, 1, 5, 3)).shape == (2, 3)


def test_an_empty_mask_has_no_box():
    assert bounding_box(np.zeros((4, 6), bool)) is None


def test_growing_stops_at_the_sides():
    assert grow_box((2, 1, 5, 3), 1, 4, 6) == (1, 0, 6, 4)
    assert grow_box((2, 1, 5, 3), 9, 4, 6) == (0, 0, 6, 4)


@given(MASKS)
def test_a_box_holds_every_pixel_and_touches_one_on_each_side(mask):
    box = bounding_box(mask)
    if box is None:
        assert not mask.any()
        return
    inside = crop(mask, box)
    assert inside.sum() == mask.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()


@given(MASKS, st.integers(0, 30))
def test_a_grown_box_holds_the_box(mask, margin):
    box = bounding_box(mask) or (0, 0, 1, 1)
    x0, y0, x1, y1 = grow_box(box, margin, *mask.shape)
    assert 0 <= x0 <= box[0]
    assert 0 <= y0 <= box[1]
    assert box[2] <= x1 <= mask.shape[1]
    assert box[3] <= y1 <= mask.shape[0]
