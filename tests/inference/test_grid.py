from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.inference.grid import input_size, resize


def test_a_camera_picture_is_read_at_192_x_256():
    assert input_size(480, 640) == (192, 256)


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(640, 480, (256, 192)), (512, 512, (224, 224)), (1080, 1920, (160, 288)), (10, 10_000, (128, 384))],
)
def test_other_aspects(height, width, size):
    assert input_size(height, width) == size


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_size_is_near_the_area_and_the_aspect(height, width):
    h, w = input_size(height, width)
    assert h % 32 == 0
    assert w % 32 == 0
    assert abs(h * w - 49152) <= 49152 / 6
    wanted = max(-math.log(3), min(math.log(3), math.log(width / height)))
    assert abs(math.log(w / h) - wanted) < 0.17
    assert max(h, w) <= 3 * min(h, w)


@given(st.integers(1, 500), st.integers(1, 500))
def test_portrait_is_landscape_turned(height, width):
    h, w = input_size(height, width)
    other = input_size(width, height)
    assert math.isclose(abs(math.log(h / w)), abs(math.log(other[0] / other[1])))


def test_a_model_with_one_cell():
    assert input_size(480, 640, area=1024, stride=32) == (32, 32)


def test_shrinking_averages_areas():
    stripes = np.zeros((4, 4, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resize(stripes, (2, 2)) == 100).all()


def test_one_axis_shrinks_without_alias_while_the_other_grows():
    stripes = np.zeros((2, 64, 3), np.uint8)
    stripes[:, ::4] = 200
    small = resize(stripes, (4, 8))
    assert small.shape == (4, 8, 3)
    assert (small == 50).all()


def test_the_right_size_is_left_alone():
    image = np.zeros((4, 4, 3), np.uint8)
    assert resize(image, (4, 4)) is image
