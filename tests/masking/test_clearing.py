"""Things vanish, the table stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ivm.masking.clearing import cleared

GREY = (150, 150, 150)
RED, BLUE = (220, 30, 30), (30, 40, 200)
NOTHING = np.zeros((60, 80), np.float32)


def with_square(ground, color, rows=slice(20, 35), columns=slice(50, 65)):
    picture = np.array(ground, np.uint8)
    picture[rows, columns] = color
    return picture


def table(color=GREY):
    return np.full((60, 80, 3), color, np.uint8)


def slope():
    """From 60 at the left to 200 at the right, and 20 more at the bottom."""
    levels = np.linspace(60, 200, 80) + np.linspace(0, 20, 60)[:, None]
    return np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2)


def off(picture, other):
    return np.abs(picture.astype(int) - other.astype(int))


@pytest.mark.parametrize("color", [RED, BLUE, (20, 20, 20), (250, 250, 250)])
def test_a_thing_becomes_the_table_and_the_table_stays(color):
    empty = cleared(with_square(table(), color), NOTHING)
    assert off(empty, table()).max() <= 3
    np.testing.assert_array_equal(empty[:, :40], table()[:, :40])


def test_a_slope_of_light_is_no_thing_and_goes_on_under_one():
    picture = with_square(slope(), RED)
    empty = cleared(picture, NOTHING)
    assert off(empty, slope()).max() <= 8
    np.testing.assert_array_equal(empty[:, :40], picture[:, :40])


def test_grain_is_no_thing():
    grain = np.random.default_rng(0).normal(0, 4, (60, 80, 1))
    wood = np.clip(np.array((200, 160, 120)) + grain, 0, 255).astype(np.uint8)
    empty = cleared(with_square(wood, BLUE), NOTHING)
    np.testing.assert_array_equal(empty[:, :40], wood[:, :40])
    assert off(empty[20:35, 50:65], np.array((200, 160, 120))).max() <= 8


def test_a_plate_hardly_lighter_than_the_table_goes_with_its_rim():
    rim = with_square(table(), (90, 90, 90), slice(20, 36), slice(50, 66))
    assert off(cleared(with_square(rim, (154, 154, 154), slice(25, 31), slice(55, 61)), NOTHING), table()).max() <= 2


def test_a_shadow_goes_with_its_thing_and_does_not_smear():
    columns = np.arange(80)
    shade = np.clip(1 - np.abs(columns - 57) / 15, 0, 1)[:, None] * 60
    picture = np.tile(np.rint(150 - shade).astype(np.uint8), (60, 1, 3))
    empty = cleared(with_square(picture, BLUE), NOTHING)
    assert off(empty, table()).max() <= 12
    assert off(empty[20:35, 50:65], np.array(GREY)).max() <= 5


def test_a_large_target_does_not_pass_for_the_table():
    picture = with_square(with_square(table(), RED, slice(0, 60), slice(0, 45)), BLUE)
    hard = NOTHING.copy()
    hard[:, :45] = 1
    assert off(cleared(picture, hard)[20:35, 50:65], np.array(GREY)).max() <= 3


def test_a_smooth_target_nearly_of_the_tables_colour_does_not_make_its_grain_a_thing():
    grain = np.random.default_rng(0).normal(0, 3, (60, 80, 1))
    picture = with_square(np.array(GREY) + grain, (165, 165, 165), slice(0, 60), slice(0, 45))
    hard = NOTHING.copy()
    hard[:, :45] = 1
    np.testing.assert_array_equal(cleared(picture, hard)[:, 49:], picture[:, 49:])


def test_without_a_surface_all_becomes_a_wide_blur():
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    blur = cleared(noise, NOTHING).astype(int)
    assert max(np.abs(np.diff(blur, axis=axis)).max() for axis in (0, 1)) <= 6
    assert off(blur, noise.mean(axis=(0, 1))).max() < 50


def test_a_large_picture_is_reduced_and_keeps_its_table_exactly():
    picture = np.repeat(np.repeat(with_square(table(), BLUE), 9, 0), 9, 1)
    empty = cleared(picture, np.zeros(picture.shape[:2], np.float32))
    assert off(empty, np.array(GREY)).max() <= 3
    np.testing.assert_array_equal(empty[:, :360], picture[:, :360])


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.sampled_from([0.0, 0.4, 0.6, 1.0]),
)
def test_any_small_picture_gives_the_same_picture_twice(image, weight):
    hard = np.zeros(image.shape[:2], np.float32)
    hard[: hard.shape[0] // 2 + 1] = weight
    empty = cleared(image, hard)
    assert (empty.shape, empty.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(empty, cleared(image, hard))
    assert not np.may_share_memory(empty, image)
