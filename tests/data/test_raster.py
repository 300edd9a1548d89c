import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.data.tabletop.lamps import SHARPNESS, between, environment
from ivm.data.tabletop.patterns import TEXTURES, noise, pattern
from ivm.data.tabletop.raster import corner_weights, rasterize

PLACES = st.floats(-50, 50)


def draw(*corners, size=4):
    """Rasterise triangles, each three rows of (column, row, nearness) that turn left on the screen."""
    screen = np.array([corner for triangle in corners for corner in triangle], np.float32)
    faces = np.arange(len(screen), dtype=np.int32).reshape(-1, 3)
    return rasterize(screen, faces, size, size)


def test_a_triangle_covers_the_pixels_whose_middle_it_holds():
    face, nearness = draw([(0, 0, 5), (0, 3.2, 5), (3.2, 0, 5)])
    assert face.tolist() == [[0, 0, 0, -1], [0, 0, -1, -1], [0, -1, -1, -1], [-1, -1, -1, -1]]
    assert (nearness == np.where(face == 0, 5, 0)).all()


def test_the_back_of_a_triangle_is_not_drawn():
    assert (draw([(0, 0, 5), (3.2, 0, 5), (0, 3.2, 5)])[0] == -1).all()


@pytest.mark.parametrize("near_first", [True, False])
def test_the_nearer_triangle_wins_in_any_order(near_first):
    far = [(0, 0, 2), (0, 9, 2), (9, 0, 2)]
    near = [(0, 0, 9), (0, 2.2, 9), (2.2, 0, 9)]
    face, nearness = draw(near, far) if near_first else draw(far, near)
    n, f = (0, 1) if near_first else (1, 0)
    assert face.tolist() == [[n, n, f, f], [n, f, f, f], [f, f, f, f], [f, f, f, f]]
    assert (nearness == np.where(face == n, 9, 2)).all()


def test_triangles_that_cross_split_the_pixels_between_them():
    level = [(0, 0, 16), (0, 16, 16), (16, 0, 16)]
    slanted = [(0, 0, 18), (0, 16, 18), (16, 0, 2)]
    assert draw(level, slanted)[0][0].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("nearness", [0, -1])
def test_what_is_behind_the_eye_is_not_drawn(nearness):
    assert (draw([(0, 0, 5), (0, 3, 5), (3, 0, nearness)])[0] == -1).all()


def test_a_triangle_without_area_or_outside_is_not_drawn():
    assert (draw([(0, 0, 5), (2, 2, 5), (4, 4, 5)])[0] == -1).all()
    assert (draw([(9, 9, 5), (9, 12, 5), (12, 9, 5)])[0] == -1).all()
    assert (draw([(-9, -9, 5), (-9, -6, 5), (-6, -9, 5)])[0] == -1).all()


def test_a_triangle_larger_than_the_buffer_fills_it():
    assert (draw([(-100, -100, 5), (-100, 300, 5), (300, -100, 5)])[0] == 0).all()


def test_weights_follow_perspective():
    """Half way between a corner at depth 1 and one at depth 3 on the screen lies three quarters near the first."""
    screen = np.array([[0, 0, 1], [0, 40, 1], [4, 0, 1 / 3]], np.float32)
    np.testing.assert_allclose(corner_weights(screen, 0, 1, 2, 2.0, 0.0), [0.75, 0, 0.25], rtol=1e-6)
    for corner, (column, row) in enumerate([(0.0, 0.0), (0.0, 40.0), (4.0, 0.0)]):
        np.testing.assert_allclose(corner_weights(screen, 0, 1, 2, column, row), np.eye(3)[corner], atol=1e-6)


@given(st.lists(st.tuples(PLACES, PLACES, st.floats(0.5, 50)), min_size=3, max_size=3))
def test_weights_are_shares_and_nearness_lies_between_the_corners(corners):
    screen = np.array(corners, np.float32)
    face, nearness = rasterize(screen, np.array([[0, 1, 2]], np.int32), 8, 8)
    far, near = screen[:, 2].min(), screen[:, 2].max()
    for row, column in np.argwhere(face == 0):
        weights = corner_weights(screen, 0, 1, 2, column + 0.5, row + 0.5)
        assert min(weights) >= -1e-4
        assert sum(weights) == pytest.approx(1)
        assert far * 0.999 <= nearness[row, column] <= near * 1.001
    assert (nearness[face < 0] == 0).all()


@given(PLACES, PLACES, PLACES)
def test_noise_is_a_function_of_the_place(x, y, z):
    value = noise(x, y, z)
    assert 0 <= value < 1
    assert noise(x, y, z) == value


def test_noise_is_smooth_and_not_flat():
    line = np.array([noise(t, 0.5, 0.5) for t in np.arange(0, 20, 0.05)])
    assert np.abs(np.diff(line)).max() < 0.12
    assert np.ptp(line) > 0.3


@pytest.mark.parametrize("kind", range(len(TEXTURES)), ids=TEXTURES)
def test_a_pattern_mixes_two_colours(kind):
    points = np.random.default_rng(0).uniform(-10, 10, (400, 3))
    mix = np.array([pattern(kind, *map(float, point), 2.0) for point in points])
    assert (mix >= 0).all()
    assert (mix <= 1).all()
    assert (np.ptp(mix) > 0.5) == (TEXTURES[kind] != "plain")


def test_a_mirror_sees_the_lamp_the_room_and_the_table():
    lobes = np.zeros((3, 7), np.float32)
    lobes[0, 4:], lobes[1, 4:] = (0.1, 0.2, 0.3), (0.5, 0.5, 0.5)
    lobes[2] = [0, 0, 1, 10, 1, 1, 1]
    np.testing.assert_allclose(environment(0.0, 0.0, -1.0, lobes), (0.1, 0.2, 0.3), rtol=1e-6)
    np.testing.assert_allclose(environment(0.0, 0.0, 1.0, lobes), (1.5, 1.5, 1.5), rtol=1e-6)
    aside = math.sqrt(0.5)
    np.testing.assert_allclose(environment(aside, 0.0, aside, lobes), [0.5 + aside**10] * 3, rtol=1e-5)


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_a_lobe_is_a_power_of_the_cosine(sharpness):
    lobes = np.zeros((3, 7), np.float32)
    lobes[2] = [0, 0, 1, sharpness, 1, 1, 1]
    for cosine in (0.2, 0.7, 0.95, 1.0):
        seen = environment(math.sqrt(1 - cosine**2), 0.0, cosine, lobes)
        np.testing.assert_allclose(seen, [cosine**sharpness] * 3, rtol=1e-9)


def test_a_map_is_read_between_its_samples():
    squares = np.array([[0, 1, 2], [4, 5, 6], [8, 9, 10]], np.float32)
    assert between(squares, 0.5, 0.5) == 0
    assert between(squares, 1.5, 0.5) == 1
    assert between(squares, 1.0, 1.0) == 2.5
    assert between(squares, -1.0, 1.0) == between(squares, 1.0, 3.5) == 0
