import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.evaluation.metrics import pointing_hit

TRUTH = np.array(
    [
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ],
    bool,
)


@pytest.mark.parametrize(("row", "column", "hit"), [(1, 2, 1.0), (2, 2, 0.0), (0, 0, 0.0)])
def test_pointing_asks_where_the_maximum_is(row, column, hit):
    heatmap = np.full((3, 4), 0.4, np.float32)
    heatmap[row, column] = 0.41
    assert pointing_hit(heatmap, TRUTH) == hit


def test_pointing_counts_a_shared_maximum_by_its_share_inside():
    heatmap = np.zeros((3, 4), np.float32)
    heatmap[1, 2] = heatmap[1, 3] = heatmap[2, 3] = 1
    assert pointing_hit(heatmap, TRUTH) == pytest.approx(1 / 3)


@given(st.floats(0, 1, width=32))
def test_pointing_of_a_flat_heatmap_is_that_of_a_blind_guess(value):
    assert pointing_hit(np.full((3, 4), value, np.float32), TRUTH) == pytest.approx(4 / 12)


@pytest.mark.parametrize("wrong", [np.zeros((4, 3), bool), np.zeros((3, 4), np.uint8)])
def test_masks_of_another_shape_or_type_are_refused(wrong):
    with pytest.raises(ValueError, match=r"bool|shape"):
        pointing_hit(np.zeros((3, 4), np.float32), wrong)
