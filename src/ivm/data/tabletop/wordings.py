"""How people ask: templates of instructions, words for sides, places, uses and materials, and what words mean."""

from __future__ import annotations

from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.food import FOOD_SHAPES
from ivm.data.tabletop.kinds import KINDS

ONE_TARGET = (
    "the {}",
    "the {}",
    "the {}",
    "{}",
    "a {}",
    "pick up the {}",
    "pick up the {}",
    "pick up the {}",
    "pick the {} up",
    "grab the {}",
    "take the {}",
    "get the {}",
    "grasp the {}",
    "lift the {}",
    "find the {}",
    "where is the {}?",
    "show me the {}",
    "give me the {}",
    "hand me the {}",
    "bring me the {}",
    "look at the {}",
    "point to the {}",
    "touch the {}",
    "push the {}",
    "move the {}",
    "I need the {}",
    "I want the {}",
    "please pick up the {}",
    "can you see the {}?",
    "can you get me the {}?",
    "is there a {} on the table?",
    "what is the {} made of?",
    "where can I find the {}",
    "locate the {}",
    "segment the {}",
    "could you pass the {}, please?",
    "the {} on the table",
    "what is next to the {}?",
    "go to the {}",
    "reach for the {}",
    "highlight the {}",
    "keep only the {}",
)
"""Templates that need one thing."""

POINTING = (
    "the {}",
    "the {}",
    "{}",
    "pick up the {}",
    "pick up the {}",
    "grab the {}",
    "find the {}",
    "where is the {}?",
    "show me the {}",
    "look at the {}",
    "point to the {}",
    "touch the {}",
    "can you see the {}?",
    "locate the {}",
    "segment the {}",
    "highlight the {}",
    "keep only the {}",
)
"""Those that say of a thing where it is, never where it should go: "move the cup behind the plate" has two readings."""

TWO_TARGETS = (
    "put the {} on the {}",
    "put the {} in the {}",
    "put the {} into the {}",
    "place the {} on the {}",
    "place the {} in the {}",
    "move the {} to the {}",
    "move the {} next to the {}",
    "drop the {} into the {}",
    "pick up the {} and place it on the {}",
    "pick up the {} and put it in the {}",
    "stack the {} on the {}",
    "the {} and the {}",
    "bring the {} to the {}",
    "set the {} beside the {}",
    "take the {} and put it on the {}",
    "push the {} towards the {}",
    "grab the {} and drop it in the {}",
    "how far is the {} from the {}?",
)
"""Templates that need two things."""

SIDES = {
    "left": ("left {}", "leftmost {}", "{} on the left", "{} to the left"),
    "right": ("right {}", "rightmost {}", "{} on the right", "{} to the right"),
    "largest": ("largest {}", "biggest {}", "big {}", "larger {}"),
    "smallest": ("smallest {}", "small {}", "tiniest {}", "smaller {}"),
}
"""Ways to say which of several."""

ANYTHING = ("thing", "object", "item", "one")
"""Nouns that fit every kind."""

DEPTHS = {
    "front": ("front {}", "{} in front", "nearest {}", "closest {}", "{} closest to us", "{} nearest to the camera"),
    "back": ("back {}", "{} at the back", "farthest {}", "{} farthest away", "rear {}", "{} in the back"),
}
"""Ways to say which of several, by how far away they are."""

BESIDE = {
    "front": ("{} in front of the {}", "{} before the {}"),
    "back": ("{} behind the {}",),
}
"""Ways to say that the first thing is nearer or farther than the second."""

NEAREST = ("{} nearest to the {}", "{} closest to the {}", "{} nearest the {}", "{} right next to the {}")
"""Ways to say that of several things the one beside another is meant."""

USEFUL = (
    "something to {}",
    "something to {}",
    "something I can {}",
    "I need something to {}",
    "give me something to {}",
    "find something to {}",
    "what can I {}?",
    "pick up something to {}",
    "hand me something to {}",
)
"""Templates that need a thing by its use."""

USES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    use: (frozenset(fit.split(", ")), frozenset(perhaps.split(", ")) - {""})
    for use, fit, perhaps in (
        ("drink from", "cup, goblet", "bottle, can, bowl, jar, teapot, bucket, vase, pot"),
        ("cut with", "knife, scissors", "spatula, spoon, fork"),
        ("write with", "pen", "brush"),
        ("cook in", "pan, pot", "teapot, bowl, tray, bucket"),
        ("fry an egg in", "pan", "pot"),
        ("stir with", "spoon", "spatula, fork, knife, brush, pen, screwdriver"),
        ("drive a nail with", "hammer", "block, metal bar, pan, screwdriver"),
        ("turn a screw with", "screwdriver", "knife, scissors"),
        ("play with", "ball, duck, toy car", "block, star, ring, cone, pyramid, cylinder, egg, orange, phone"),
        ("read", "book", "phone, box, can, bottle"),
        ("call someone with", "phone", ""),
        ("wash the dishes with", "sponge", "brush, bucket"),
        ("put flowers in", "vase", "jar, bottle, goblet, cup, bucket, pot, teapot, can, bowl"),
        ("carry water in", "bucket", "pot, bottle, cup, bowl, jar, teapot, vase, goblet, pan, can"),
        ("paint with", "brush", "pen, sponge, spoon"),
        ("serve food on", "plate, tray", "bowl, pan, pot, lid, book, box"),
        ("stick paper together with", "tape", ""),
        ("turn pancakes with", "spatula", "spoon, knife, fork"),
        ("eat", ", ".join(FOOD_SHAPES), ""),
    )
}
"""What people do with things: kinds that are made for it, and kinds that would do, so that people may waver."""

MATERIALS: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "metal": (
        frozenset({"silver", "gold"}),
        frozenset({"gray"}),
        frozenset(
            {kind.name for kind in KINDS.values() if {"silver", "gold"} & set(kind.parts)}
            | {"can", "pan", "pot", "knife", "scissors", "hammer", "screwdriver", "metal bar", "fork", "spoon", "lid"}
        ),
    ),
    "wood": (
        frozenset({"wooden"}),
        frozenset({"brown", "beige"}),
        frozenset({"brush", "hammer", "pen"}),
    ),
}
"""What things are made of: colours that say so, colours that may, and kinds that may in any colour (a handle)."""

MADE_OF = {
    "metal": ("metal thing", "thing made of metal", "metal object", "object made of metal", "metallic object"),
    "wood": ("wooden thing", "thing made of wood", "wooden object", "object made of wood", "wooden item"),
}
"""Ways to say what a thing is made of."""

FOOD = frozenset(FOOD_SHAPES)
"""Kinds that are never of metal or wood, whatever their colour is called."""


def kinds_called(noun: str) -> frozenset[str]:
    """Names of all kinds for which people use this noun."""
    return frozenset(kind.name for kind in KINDS.values() if noun == kind.name or noun in kind.also)


def colors_called(word: str) -> frozenset[str]:
    """Names of all colours for which people use this word."""
    return frozenset(color.name for color in COLORS.values() if word == color.name or word in color.also)
