"""A smooth surface found under what lies on it, and holes filled from around them."""

from __future__ import annotations

import numpy as np
import pytest

from ivm.masking.surface import fit_surface, spread_over

Y, X = np.mgrid[-1:1:40j, -1:1:50j].astype(np.float32)
ALL = np.ones(X.shape, np.bool_)


def bowl():
    """Bright in the middle, yellower to the right."""
    return np.stack([70 - 12 * X * X - 8 * Y * Y + 5 * X * Y, 0 * X, 6 * X], axis=-1).astype(np.float32)


@pytest.mark.parametrize("thing", [(50, 60, 40), (20, 0, 0), (100, 0, 0)])
def test_the_surface_goes_on_under_a_thing_over_a_third_of_it(thing):
    lab = bowl()
    lab[5:35, 5:27] = thing
    assert np.abs(fit_surface(lab, ALL) - bowl()).max() < 1.5


def test_two_fifths_in_one_other_colour_do_not_pull_it_away():
    lab = np.full((40, 50, 3), (80, 0, 0), np.float32)
    lab[:, :20] = (20, 60, 40)
    assert np.abs(fit_surface(lab, ALL) - (80, 0, 0)).max() < 1


def test_a_steep_slope_whose_commonest_colour_is_a_thing():
    lab = np.stack([50 + 45 * X, 30 * X, 0 * X], axis=-1).astype(np.float32)
    slope = lab.copy()
    lab[10:20, 10:20] = (50, 60, 60)
    assert np.abs(fit_surface(lab, ALL) - slope).max() < 1


def test_what_is_not_usable_is_not_seen():
    lab = np.full((40, 50, 3), (80, 0, 0), np.float32)
    lab[:, 10:] = (30, 40, 0)
    usable = np.zeros_like(ALL)
    usable[:, :10] = True
    assert np.abs(fit_surface(lab, usable) - (80, 0, 0)).max() < 0.1


def test_known_places_keep_their_values_and_the_others_take_the_nearest():
    values = np.zeros((1, 8, 3), np.float32)
    values[0, :, 0] = (4, 4, 9, 9, 9, 9, 8, 8)
    known = np.array([[1, 1, 0, 0, 0, 0, 1, 1]], np.float32)
    filled = spread_over(values, known)[0, :, 0]
    np.testing.assert_allclose(filled[[0, 1, 6, 7]], (4, 4, 8, 8))
    assert 4 <= filled[2] < 6 < filled[5] <= 8


def test_nothing_known_gives_nothing():
    assert not spread_over(np.ones((3, 5, 3), np.float32), np.zeros((3, 5), np.float32)).any()
