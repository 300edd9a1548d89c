"""Both presets against the original's own outputs: within 1 of 255 everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from ivm.core.images import load_image
from ivm.masking import PAPER_KEYS, MaskResult, upsample_logits


@pytest.fixture(scope="module")
def original(golden):
    with np.load(golden / "postprocess.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def image(golden):
    return load_image(golden / "image.jpg")


@pytest.fixture(scope="module")
def logits(original):
    """On the original's grid of 1024, which it goes through before the picture's size."""
    return upsample_logits(original["mask_logits_256"][0, 0], 1024, 1024)


def levels(array):
    """Values on the scale 0 to 255, as signed numbers."""
    return array.astype(np.float64) * (255 if array.dtype.kind == "f" else 1)


@pytest.mark.parametrize("key", PAPER_KEYS)
def test_the_papers_seven(original, image, logits, key):
    theirs = levels(original[f"seed_{key}"]).squeeze()
    ours = levels(MaskResult.from_logits(image, logits)[key])
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9, 0.999999])
def test_v1_overlay(original, image, logits, threshold):
    theirs = levels(original[f"v1_overlay_t{threshold}"])
    result = MaskResult.from_logits(image, logits, threshold, "v1")
    assert np.abs(levels(result.highlight_image) - theirs).max() <= 1
    assert result.kept_whole == (threshold == 0.999999)


def test_v1_crop(original, image, logits):
    theirs = levels(original["v1_crop_t0.5"])
    ours = levels(MaskResult.from_logits(image, logits, 0.5, "v1").cropped_highlight_img)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


def test_keep_all_shows_the_picture_itself(image, logits):
    for preset in ("paper", "v1"):
        result = MaskResult.from_logits(image, logits, 0.999999, preset)
        assert result.kept_whole
        np.testing.assert_array_equal(result.highlight_image, image)
        np.testing.assert_array_equal(result.cropped_highlight_img, image)
