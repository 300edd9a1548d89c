"""What replaces the rest of a picture."""

from __future__ import annotations

import numpy as np
import pytest

from ivm.core.errors import OptionError
from ivm.robotics.fills import FILLS, channels, check_fill, filled, shrunk


@pytest.fixture
def picture():
    image = np.full((64, 64, 3), 100, np.uint8)
    image[20:30, 20:30] = (250, 0, 0)
    image[44:54, 44:54] = (0, 0, 250)
    soft = np.zeros((64, 64), np.float32)
    soft[20:30, 20:30] = 1
    return image, soft


@pytest.mark.parametrize("fill", FILLS)
def test_a_fill_keeps_the_target_and_has_the_channels_it_says(picture, fill):
    out = filled(*picture, fill)
    assert out.dtype == np.uint8
    assert out.shape == (64, 64, channels(fill))
    if fill != "tint":
        assert (out[23:27, 23:27, :3] == (250, 0, 0)).all()


def test_each_fill_does_what_its_name_says(picture):
    image, soft = picture
    other = np.s_[47:51, 47:51]
    assert (filled(image, soft, "white")[other] == 255).all()
    assert (filled(image, soft, "mean")[other] == image.reshape(-1, 3).mean(axis=0).astype(np.uint8)).all()
    assert (filled(image, soft, "none") == image).all()
    assert filled(image, soft, "blur")[50, 50, 2] < 240
    assert np.abs(filled(image, soft, "inpaint")[other].astype(int) - 100).max() < 30
    tinted = filled(image, soft, "tint")
    assert (tinted[other] == image[other]).all()
    assert tinted[25, 25, 2] > 100
    masked = filled(image, soft, "soft")
    assert (masked[..., 3] == soft * 255).all()
    assert (masked[..., :3] == image).all()


@pytest.mark.parametrize("fill", FILLS)
def test_without_a_mask_the_picture_is_kept(picture, fill):
    out = filled(picture[0], None, fill)
    assert (out[..., :3] == picture[0]).all()
    if fill == "soft":
        assert (out[..., 3] == 255).all()


def test_an_unknown_fill_is_refused():
    with pytest.raises(OptionError, match="white"):
        check_fill("grey")


def test_a_shrunk_picture_averages():
    image = np.zeros((4, 4, 4), np.uint8)
    image[:2] = 200
    assert shrunk(image, 2)[:, 0, 0].tolist() == [200, 0]
