"""COCO's run-length encoding: by hand, round trips, and against the reference implementation where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ivm.core.errors import OptionError
from ivm.masking.rle import decode_rle, encode_rle
from mask_strategies import MASKS

CORNER = np.array([[0, 1], [0, 1], [1, 1]], bool)


def test_runs_go_down_the_columns_and_begin_with_zeros():
    assert encode_rle(CORNER, compressed=False) == {"size": [3, 2], "counts": [2, 4]}
    assert encode_rle(~CORNER, compressed=False) == {"size": [3, 2], "counts": [0, 2, 4]}


def test_the_compressed_form_of_known_masks():
    """The strings are what COCO's own tool writes."""
    assert encode_rle(CORNER)["counts"] == "24"
    assert encode_rle(np.zeros((3, 2), bool))["counts"] == "6"
    wide = np.zeros((100, 100), bool)
    wide[30:60, 20:70] = True
    assert encode_rle(wide)["counts"].startswith("^o1n0V2000")


def test_the_two_forms_of_an_example_agree():
    for mask in (CORNER, ~CORNER, np.zeros((5, 1), bool), np.ones((1, 5), bool)):
        for compressed in (True, False):
            np.testing.assert_array_equal(decode_rle(encode_rle(mask, compressed=compressed)), mask)


@given(MASKS)
def test_round_trip(mask):
    for compressed in (True, False):
        back = decode_rle(encode_rle(mask, compressed=compressed))
        assert back.dtype == np.bool_
        np.testing.assert_array_equal(back, mask)


def test_round_trip_of_runs_of_any_length():
    random = np.random.default_rng(0)
    lengths = np.concatenate([2 ** random.integers(0, 20, 40), random.integers(1, 30, 60)])
    flat = np.repeat(np.arange(lengths.size) % 2 == 1, lengths)
    mask = np.ascontiguousarray(flat.reshape(1, -1))
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


@given(MASKS)
def test_same_as_the_reference_implementation(mask):
    reference = pytest.importorskip("pycocotools.mask", reason="compares to pycocotools")
    assert encode_rle(mask)["counts"].encode() == reference.encode(np.asfortranarray(mask, np.uint8))["counts"]


@pytest.mark.parametrize("counts", ["", "n", "é", [1, 2], [-1, 7], "00000", "oooooooooo0"])
def test_what_is_no_encoding(counts):
    with pytest.raises(OptionError):
        decode_rle({"size": [3, 2], "counts": counts})
