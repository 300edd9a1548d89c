import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from ivm.masking.overlap import mask_iou

TRUTH = np.array(
    [
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ],
    bool,
)


def test_iou_is_common_area_over_joint_area():
    mask = np.array(
        [
            [0, 0, 1, 1],
            [0, 0, 1, 1],
            [0, 0, 0, 0],
        ],
        bool,
    )
    assert mask_iou(mask, TRUTH) == 2 / 6


def test_iou_of_equal_masks_is_one_and_of_apart_ones_zero():
    assert mask_iou(TRUTH, TRUTH) == 1
    assert mask_iou(~TRUTH, TRUTH) == 0


def test_iou_of_two_empty_masks_is_one_or_what_is_said():
    empty = np.zeros((2, 3), bool)
    assert mask_iou(empty, empty) == 1
    assert mask_iou(empty, empty, empty=0.0) == 0


@given(arrays(bool, (3, 4)), arrays(bool, (3, 4)))
def test_iou_is_symmetric_and_in_range(one, other):
    assert 0 <= mask_iou(one, other) == mask_iou(other, one) <= 1


@pytest.mark.parametrize("wrong", [np.zeros((4, 3), bool), np.zeros((3, 4), np.uint8)])
def test_masks_of_another_shape_or_type_are_refused(wrong):
    for pair in ((wrong, TRUTH), (TRUTH, wrong)):
        with pytest.raises(ValueError, match=r"bool|shape"):
            mask_iou(*pair)
