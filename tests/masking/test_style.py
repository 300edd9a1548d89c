"""Presets and their options."""

from __future__ import annotations

import numpy as np
import pytest

from ivm.core.errors import OptionError
from ivm.masking.style import PaperStyle, V1Style, make_style


def test_the_defaults_are_the_originals():
    assert make_style("paper") == PaperStyle(blur_kernel_size=201, dilate_kernel_size=21, fill_color=(255, 255, 255))
    assert make_style("v1") == V1Style(overlay_color=(255, 255, 255))


def test_v1_takes_5_percent_of_the_height():
    assert [V1Style().edge_kernel(height) for height in (19, 20, 480, 3000)] == [1, 3, 49, 301]
    assert PaperStyle(dilate_kernel_size=5).edge_kernel(3000) == 5


def test_numbers_and_colours_may_come_from_numpy_or_a_list():
    style = make_style("paper", blur_kernel_size=np.int64(5), fill_color=np.array([1, 2, 3], np.uint8))
    assert style == PaperStyle(blur_kernel_size=5, fill_color=(1, 2, 3))
    assert hash(style) == hash(PaperStyle(blur_kernel_size=5, fill_color=(1, 2, 3)))


@pytest.mark.parametrize("size", [0, 2, -1, 4097, 3.0, True, "21", None])
@pytest.mark.parametrize("option", ["blur_kernel_size", "dilate_kernel_size"])
def test_a_kernel_is_odd(option, size):
    with pytest.raises(OptionError, match=f"{option} must be an odd number"):
        make_style("paper", **{option: size})


@pytest.mark.parametrize("color", [255, "white", (1, 2), (0, 0, 256), (0, 0, -1), (0.5, 0, 0), None])
@pytest.mark.parametrize(("preset", "option"), [("paper", "fill_color"), ("v1", "overlay_color")])
def test_a_colour_is_three_numbers(preset, option, color):
    with pytest.raises(OptionError, match=f"{option} must be three numbers"):
        make_style(preset, **{option: color})


def test_an_unknown_option_lists_the_known():
    with pytest.raises(
        OptionError, match="no option 'blur_size': it has blur_kernel_size, dilate_kernel_size, fill_color"
    ):
        make_style("paper", blur_size=3)
    with pytest.raises(OptionError, match="no option 'fill_color': it has overlay_color"):
        make_style("v1", fill_color=(0, 0, 0))


@pytest.mark.parametrize("preset", ["papers", "", None, 1])
def test_an_unknown_preset_lists_the_known(preset):
    with pytest.raises(OptionError, match="use 'paper' or 'v1'"):
        make_style(preset)
