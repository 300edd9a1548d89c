import colorsys
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.data.tabletop.colors import COLORS, CONFUSED, confusable

SLACK = 1e-6


def between(value, ends):
    return ends[0] - SLACK <= value <= ends[1] + SLACK


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
@given(seed=st.integers(0, 1000))
def test_samples_lie_in_the_box_of_their_name(color, seed):
    hue, saturation, value = colorsys.rgb_to_hsv(*color.sample(np.random.default_rng(seed)))
    degrees = hue * 360
    assert between(value, color.value)
    assert between(saturation, color.saturation)
    assert saturation == 0 or between(degrees, color.hue) or between(degrees + 360, color.hue)


def test_colours_are_told_by_their_own_names():
    assert all(name == color.name for name, color in COLORS.items())
    assert all(color.name not in color.also for color in COLORS.values())


def test_confused_pairs_are_pairs_of_colours():
    assert all(len(pair) == 2 and pair <= set(COLORS) for pair in CONFUSED)
    assert len(set(CONFUSED)) == len(CONFUSED)


def test_confusion_goes_both_ways():
    for first, second in itertools.product(COLORS, repeat=2):
        assert confusable(first, second) == confusable(second, first)
    assert confusable("red", "red")
    assert confusable("red", "pink")
    assert not confusable("red", "green")


def test_a_word_for_two_colours_is_for_two_that_people_confuse():
    words = {color.name: {color.name, *color.also} for color in COLORS.values()}
    for first, second in itertools.combinations(COLORS, 2):
        assert confusable(first, second) or not words[first] & words[second], (first, second)
