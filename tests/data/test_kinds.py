import re

import pytest

from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.food import FOOD_SHAPES
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.patterns import TEXTURES
from ivm.data.tabletop.ware import WARE_SHAPES

NOUN = re.compile(r"[a-z]+( [a-z]+)*")


def test_there_are_fifty_kinds_and_every_shape_is_used():
    assert len(KINDS) >= 50
    assert set(KINDS) == set(WARE_SHAPES) | set(FOOD_SHAPES)
    assert not set(WARE_SHAPES) & set(FOOD_SHAPES)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_is_sane(kind):
    nouns = (kind.name, *kind.also)
    assert len(set(nouns)) == len(nouns)
    assert all(NOUN.fullmatch(noun) for noun in nouns)
    assert set(kind.resembles) <= set(KINDS) - {kind.name}
    assert kind.usual
    assert set(kind.usual) <= set(COLORS)
    assert set(kind.parts) <= {*COLORS, "self"}
    assert kind.texture in TEXTURES
    assert 0 <= kind.any_color <= 1
    assert 0 <= kind.lie <= 1
    assert kind.weight > 0


def test_nouns_do_not_hide_a_colour():
    """Else "a <colour> <noun>" would be read in two ways."""
    words = {word for kind in KINDS.values() for noun in (kind.name, *kind.also) for word in noun.split()}
    colors = {name for color in COLORS.values() for name in (color.name, *color.also)}
    assert words & colors <= {"orange", "metal"}, "the fruit, and the metal bar"
