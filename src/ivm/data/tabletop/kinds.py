"""What lies on a table: kinds of objects with their names, colours, sizes and shapes.

Every builder draws one specimen: proportions differ from call to call. Sizes are centimetres, z is up, the object
stands on z = 0 about the z axis. Part 0 takes the object's colour; the other parts have colours of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ivm.data.tabletop.food import FOOD_SHAPES
from ivm.data.tabletop.shapes import Mesh
from ivm.data.tabletop.ware import WARE_SHAPES

Builder = Callable[[np.random.Generator], Mesh]

PLASTIC = "red orange yellow green lime turquoise blue purple pink brown beige white black gray"
METAL = "silver silver silver gray gold"
WARE = f"{PLASTIC} silver wooden"


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Attributes:
        name: the noun that people use most.
        also: other nouns for the same thing.
        usual: colours that it mostly has, each as often as it is named.
        any_color: how often it has any other colour instead.
        parts: colours of the parts after part 0 ("self" is the object's own).
        lie: how often it lies on its side.
        resembles: kinds that a person might call by this name, or mix up with it.
        holds: whether other things may be put into or onto it.
        texture: pattern on part 0, a name in `patterns.TEXTURES`.
        weight: how often it lies on a table, against 1 for most kinds.
    """

    name: str
    build: Builder
    also: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    any_color: float = 0.3
    parts: tuple[str, ...] = ()
    lie: float = 0.0
    resembles: tuple[str, ...] = ()
    holds: bool = False
    texture: str = "plain"
    weight: float = 1.0


def _kind(
    name: str,
    also: str = "",
    usual: str = PLASTIC,
    any_color: float = 0.3,
    parts: str = "",
    lie: float = 0.0,
    resembles: str = "",
    holds: bool = False,
    texture: str = "plain",
    weight: float = 1.0,
) -> Kind:
    def names(text: str) -> tuple[str, ...]:
        return tuple(item.strip() for item in text.split(",") if item.strip())

    shapes = WARE_SHAPES | FOOD_SHAPES
    return Kind(
        name,
        shapes[name],
        names(also),
        tuple(usual.split()),
        any_color,
        tuple(parts.split()),
        lie,
        names(resembles),
        holds,
        texture,
        weight,
    )


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        # Tableware and kitchen
        _kind(
            "cup",
            "mug, coffee cup, coffee mug, drinking cup",
            WARE,
            lie=0.2,
            resembles="bowl, pot, bucket, goblet",
            weight=3.5,
        ),
        _kind("bowl", "dish, salad bowl", WARE, holds=True, resembles="plate, pan, cup, pot, tray", weight=3),
        _kind(
            "plate",
            "dish, saucer, dinner plate",
            WARE,
            holds=True,
            resembles="bowl, pan, tray, tomato slice, lid",
            weight=3.5,
        ),
        _kind(
            "pan",
            "frying pan, skillet",
            "silver silver silver black black gray",
            0.15,
            "silver",
            holds=True,
            resembles="pot, bowl, plate",
            weight=3.5,
        ),
        _kind(
            "pot",
            "cooking pot, saucepan, casserole",
            "silver silver silver black red blue white",
            0.2,
            "silver",
            holds=True,
            resembles="pan, bowl, bucket, cup",
            weight=3,
        ),
        _kind("lid", "cover", "silver silver black red blue", 0.3, "black", resembles="plate, bowl, pan", weight=0.6),
        _kind(
            "goblet",
            "wine glass, glass, chalice",
            "blue turquoise green purple pink silver gold white",
            0.4,
            lie=0.4,
            resembles="cup, bottle, vase",
            weight=2,
        ),
        _kind(
            "bottle",
            "flask",
            "green blue white brown red",
            0.4,
            "white",
            lie=0.35,
            resembles="jar, vase, can",
            weight=1.5,
        ),
        _kind(
            "jar",
            "jam jar",
            "red orange yellow brown white green",
            0.3,
            "silver",
            lie=0.1,
            resembles="can, bottle, cup",
        ),
        _kind("vase", "flower vase", lie=0.1, resembles="bottle, jar, cup, goblet"),
        _kind("teapot", "kettle, tea pot", WARE, parts="self", resembles="pot, jar"),
        _kind(
            "spoon", "tablespoon, ladle", "silver silver wooden white black", 0.25, resembles="fork, knife", weight=1.3
        ),
        _kind("fork", "table fork", "silver silver wooden white", 0.25, resembles="spoon, knife"),
        _kind("knife", "kitchen knife", "silver", 0.1, "black", resembles="spoon, fork, screwdriver"),
        _kind("spatula", "turner", "black silver red wooden", 0.3, "self", resembles="spoon, brush"),
        _kind("tray", "serving tray, basket", WARE, holds=True, resembles="plate, box, bowl"),
        _kind("bucket", "pail, bin", parts="silver", holds=True, lie=0.1, resembles="cup, pot"),
        _kind(
            "can",
            "tin, tin can, soda can, drink can",
            "red blue green silver yellow",
            0.3,
            "silver",
            lie=0.3,
            texture="label",
            resembles="cylinder, jar, bottle",
            weight=1.5,
        ),
        _kind(
            "sponge",
            "dish sponge",
            "yellow yellow blue pink green",
            0.3,
            "green",
            texture="mottled",
            resembles="block, cheese, box",
        ),
        # Blocks and tools
        _kind(
            "block",
            "cube, brick, toy block, building block",
            f"wooden wooden wooden {PLASTIC}",
            0.2,
            lie=0.2,
            texture="grain",
            resembles="box, sponge, book, metal bar",
            weight=2.5,
        ),
        _kind("cylinder", "round block, roller", f"wooden {PLASTIC}", lie=0.4, texture="grain", resembles="can, jar"),
        _kind("cone", "traffic cone", f"orange wooden {PLASTIC}", lie=0.2, resembles="pyramid, carrot"),
        _kind("pyramid", "triangular block", f"wooden {PLASTIC}", texture="grain", resembles="cone, cheese"),
        _kind("star", "star shape, star block", f"yellow {PLASTIC}"),
        _kind("ring", "torus, hoop", resembles="donut, tape"),
        _kind(
            "tape",
            "roll of tape, tape roll, duct tape",
            "silver brown white yellow blue black",
            0.2,
            "white",
            resembles="ring, can, donut",
        ),
        _kind(
            "metal bar",
            "aluminium profile, bar, metal rod, rail",
            "silver silver gray",
            0.0,
            "gray",
            resembles="block, knife, pen",
            weight=2,
        ),
        _kind(
            "box",
            "carton, package, cardboard box",
            "brown brown white red blue yellow",
            0.3,
            lie=0.2,
            texture="label",
            resembles="block, book, tray",
        ),
        _kind(
            "book", "notebook", "red blue green black white yellow brown", 0.2, "white", resembles="box, phone, tray"
        ),
        _kind(
            "phone",
            "cell phone, smartphone, remote control, remote",
            "black black gray white",
            0.1,
            "gray",
            resembles="book, box",
        ),
        _kind(
            "pen",
            "pencil, marker, felt pen",
            "blue red black green yellow",
            0.3,
            "black",
            resembles="knife, screwdriver, metal bar",
        ),
        _kind(
            "screwdriver", "tool", "red blue yellow black green orange", 0.1, "silver", resembles="pen, hammer, knife"
        ),
        _kind("hammer", "mallet, tool", "wooden wooden red yellow black", 0.1, "gray", resembles="screwdriver"),
        _kind("scissors", "pair of scissors", "red blue black orange green", 0.1, "silver", resembles="knife"),
        _kind("brush", "paint brush", "wooden red blue black", 0.2, "beige", resembles="spoon, spatula"),
        # Toys
        _kind("ball", "sphere, toy ball", resembles="orange, tomato, apple, egg", weight=1.5),
        _kind("duck", "rubber duck, toy duck, ducky", "yellow yellow yellow yellow", 0.2, "orange black", weight=2),
        _kind("toy car", "car, vehicle, toy truck", "red blue yellow green white black", 0.2, "black turquoise"),
        # Food
        _kind(
            "pepper",
            "bell pepper, sweet pepper, capsicum, vegetable",
            "red yellow green green orange",
            0.05,
            "green",
            resembles="chili pepper, tomato, apple",
            weight=2.5,
        ),
        _kind(
            "chili pepper",
            "chili, hot pepper, chilli pepper, chilli, vegetable",
            "red red red green",
            0.05,
            "green",
            resembles="pepper, carrot, banana",
            weight=2.5,
        ),
        _kind(
            "eggplant",
            "aubergine, vegetable",
            "purple purple blue blue black",
            0.05,
            "green",
            resembles="cucumber, pear",
            weight=2,
        ),
        _kind(
            "cheese",
            "piece of cheese, cheese wedge, slice of cheese",
            "yellow yellow yellow orange",
            0.0,
            "self",
            texture="holes",
            resembles="sponge, block, bread, pyramid",
            weight=2.5,
        ),
        _kind(
            "tomato slice",
            "slice of tomato",
            "red",
            0.02,
            "red",
            texture="seeds",
            resembles="tomato, plate, lid",
            weight=2.5,
        ),
        _kind(
            "tomato",
            "cherry tomato, vegetable",
            "red red red orange",
            0.02,
            "green",
            resembles="apple, tomato slice, ball",
        ),
        _kind(
            "apple",
            "fruit",
            "red red green yellow lime",
            0.03,
            "brown",
            resembles="tomato, ball, orange, pear",
            weight=1.5,
        ),
        _kind(
            "orange",
            "tangerine, mandarin, fruit",
            "orange",
            0.0,
            texture="mottled",
            resembles="ball, apple, lemon, tomato",
        ),
        _kind("lemon", "citrus fruit, fruit", "yellow yellow yellow lime", 0.0, resembles="orange, egg, pear"),
        _kind("pear", "fruit", "green lime yellow", 0.03, "brown", lie=0.3, resembles="apple, lemon, eggplant"),
        _kind(
            "banana", "fruit", "yellow yellow yellow green", 0.02, "brown", resembles="chili pepper, corn", weight=1.5
        ),
        _kind(
            "strawberry",
            "berry, fruit",
            "red",
            0.02,
            "green",
            lie=0.7,
            texture="seeds",
            resembles="tomato, apple, chili pepper",
        ),
        _kind("carrot", "vegetable", "orange", 0.02, "green", resembles="chili pepper, cone, corn"),
        _kind("cucumber", "zucchini, pickle, vegetable", "green", 0.0, resembles="eggplant, corn, pepper"),
        _kind(
            "corn",
            "corn cob, ear of corn, vegetable",
            "yellow",
            0.0,
            "green",
            texture="seeds",
            resembles="banana, carrot",
        ),
        _kind("mushroom", "champignon, vegetable", "white beige brown red", 0.02, "white", lie=0.4, resembles="lid"),
        _kind("egg", "chicken egg", "white beige brown", 0.1, lie=0.8, resembles="ball, lemon"),
        _kind(
            "bread",
            "loaf, toast, slice of bread",
            "brown wooden beige",
            0.0,
            "beige",
            texture="mottled",
            resembles="cheese, sponge, box",
        ),
        _kind(
            "drumstick",
            "chicken leg, chicken, piece of chicken",
            "brown orange wooden",
            0.0,
            "white",
            texture="mottled",
            resembles="bread, carrot",
            weight=1.3,
        ),
        _kind("donut", "doughnut", "pink brown white wooden", 0.2, "wooden", resembles="ring, tape"),
        _kind("broccoli", "vegetable", "green", 0.0, "lime", texture="mottled"),
    )
}
"""All kinds by name."""
