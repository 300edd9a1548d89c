"""Logits to heatmap, and what is refused on the way in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ivm.core.errors import OptionError, ThresholdError
from ivm.masking.heatmap import check_heatmap, check_probability, check_threshold, logit, sigmoid, upsample_logits


@given(st.floats(0, 1) | st.sampled_from([0, 1, np.float32(0.5), np.int64(1)]))
def test_any_number_from_0_to_1_is_a_threshold(threshold):
    assert check_threshold(threshold) == float(threshold)


@given(st.floats().filter(lambda x: not 0 <= x <= 1) | st.sampled_from([None, "0.5", True, [0.5], 1j]))
def test_anything_else_is_not(threshold):
    with pytest.raises(ThresholdError, match="from 0 to 1"):
        check_threshold(threshold)


@pytest.mark.parametrize("found", [math.nan, -0.1, 1.1, "yes", True])
def test_found_is_a_probability(found):
    with pytest.raises(OptionError, match="found"):
        check_probability(found)


@given(hnp.arrays(np.float32, (3, 70), elements=st.floats(-1e4, 1e4, width=32)))
def test_sigmoid_never_overflows_and_equals_the_formula(logits):
    exact = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -700, None)))
    soft = sigmoid(logits)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft, exact, atol=3e-7)


@given(st.floats(1e-6, 1 - 1e-6))
def test_logit_undoes_sigmoid(threshold):
    assert sigmoid(np.array([[logit(threshold)]], np.float32))[0, 0] == pytest.approx(threshold, abs=1e-6)


def test_logit_at_the_ends():
    assert (logit(0), logit(1)) == (-math.inf, math.inf)


def test_enlarging_is_bilinear_with_centres_at_halves():
    np.testing.assert_allclose(upsample_logits(np.array([[0.0, 4.0]]), 1, 4), [[0, 1, 3, 4]])


def test_shrinking_does_not_smooth():
    ramp = np.array([[0, 0, 9, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(upsample_logits(ramp, 1, 2), [[0, 0]])


@pytest.mark.parametrize("size", [(480, 640), (64, 64), (50, 301), (128, 40), (7, 5)])
def test_resizing_is_that_of_pytorch(size):
    torch = pytest.importorskip("torch", reason="compares to PyTorch")
    logits = np.random.default_rng(0).normal(size=(128, 80)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(logits)[None, None], size, mode="bilinear")[0, 0]
    np.testing.assert_allclose(upsample_logits(logits, *size), theirs.numpy(), atol=2e-4)


@pytest.mark.parametrize(
    "logits",
    [np.zeros((1, 2, 2), np.float32), np.zeros((0, 2)), np.zeros((2, 2), int), np.full((2, 2), np.nan), [[1, 2]]],
)
def test_what_are_no_logits(logits):
    with pytest.raises(OptionError, match="logits"):
        upsample_logits(logits, 4, 4)


def test_a_heatmap_is_float_of_the_pictures_size():
    for good in (np.ones((2, 3)), np.ones((2, 3, 1), np.float16), np.ones((2, 3), bool)):
        checked = check_heatmap(good, 2, 3)
        assert (checked.shape, checked.dtype) == ((2, 3), np.float32)


@pytest.mark.parametrize(
    ("soft", "words"),
    [
        (np.ones((3, 2)), "2 x 3"),
        (np.ones((2, 3), np.uint8), "uint8"),
        (np.full((2, 3), 1.1), "0, 1"),
        (np.full((2, 3), np.nan), "NaN"),
    ],
)
def test_what_is_no_heatmap(soft, words):
    with pytest.raises(OptionError, match=words):
        check_heatmap(soft, 2, 3)
