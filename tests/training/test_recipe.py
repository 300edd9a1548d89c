import math
from pathlib import Path

import pytest
import yaml

from ivm.core.errors import RecipeError
from ivm.evaluation import scenes
from ivm.training import calibrate
from ivm.training.recipe import NanoRecipe, read_recipe
from ivm.training.settings import HELD_OUT
from tiny_run import TINY_RECIPE

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("ivm-nano*.yaml"))


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "recipe.yaml"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_recipes_that_ship_can_be_read(path):
    recipe = read_recipe(path)
    assert recipe.steps >= 1000
    assert recipe.processes == 2


def test_there_is_a_recipe():
    assert RECIPES


def test_what_the_file_says_is_what_runs(file):
    recipe = read_recipe(file(TINY_RECIPE))
    assert recipe == NanoRecipe(**TINY_RECIPE)
    assert recipe.sizes(kinds=3).widths == (8,) * 7
    assert recipe.sizes(kinds=3).kinds == 3
    stream = recipe.stream(1, 2)
    assert (stream.pictures, stream.rank, stream.world, stream.seed) == (2, 1, 2, 0)


def test_a_start_is_found_beside_the_recipe(file):
    path = file("start: weights/older.safetensors")
    assert read_recipe(path).start == str(path.parent / "weights" / "older.safetensors")


def test_overrides_win(file):
    assert read_recipe(file("steps: 7\nseed: 3"), {"steps": 9}) == NanoRecipe(steps=9, seed=3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("stepz: 4", "stepz"),
        ("1: 2\nstepz: 4", "stepz"),
        ("- steps", "keys and values"),
        ("", "keys and values"),
        ("steps: [", "not YAML"),
        ("steps: !!python/object/apply:os.getcwd []", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (bytes(range(128, 160)), "not YAML"),
    ],
)
def test_a_file_that_is_no_recipe(file, content, words):
    path = file(content)
    with pytest.raises(RecipeError, match=words) as caught:
        read_recipe(path)
    assert "recipe.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gone.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(RecipeError, match="No recipe can be read"):
        read_recipe(tmp_path / name)


IMPOSSIBLE = [
    ("steps", 0),
    ("steps", "many"),
    ("steps", 1.5),
    ("steps", True),
    ("steps", None),
    ("processes", -1),
    ("warmup", 0),
    ("save_every", 0),
    ("seed", -1),
    ("seed", 2**40),
    ("seed", HELD_OUT),
    ("seed", "one"),
    ("learning_rate", math.nan),
    ("learning_rate", math.inf),
    ("learning_rate", -0.1),
    ("learning_rate", 0),
    ("learning_rate", 10**400),
    ("learning_rate", "2e-3"),
    ("learning_rate", [0.1]),
    ("weight_decay", -1),
    ("weight_decay", math.nan),
    ("decay", 2),
    ("clip", -1.0),
    ("clip", math.inf),
    ("ema", 1.5),
    ("precision", "fp8"),
    ("start", 3),
    ("render_ahead", -1),
    ("network", None),
    ("network", {"widthz": [8, 8, 8, 8]}),
    ("network", {"kinds": 3}),
    ("trunk", 3),
    ("trunk_rate", 2),
    ("frozen", 8),
    ("network", {"widths": [8, 8, 8]}),
    ("network", {"widths": 8}),
    ("network", {"widths": [8, 8, 8, 8, 8, 8, "8"]}),
    ("network", {"blocks": [1, 1, 1, 1, 1, 1, 0]}),
    ("network", {"text_width": 0}),
    ("network", {"text_width": 18}),
    ("network", {"decoder": [8, 8, 9]}),
    ("data", 5),
    ("data", {"picturez": 4}),
    ("data", {"seed": 4}),
    ("data", {"rank": 1}),
    ("data", {"pictures": 0}),
    ("data", {"fresh": 99}),
    ("data", {"sizes": [[64, 63]]}),
    ("loss_weights", {"bce": 1.0}),
    ("loss_weights", [1.0]),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE, ids=lambda value: str(value)[:40])
def test_an_impossible_value_is_named(file, name, value):
    with pytest.raises(RecipeError, match=name):
        read_recipe(file({name: value}))


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1, "1", None])
def test_an_impossible_loss_weight_is_named(file, weight):
    weights = NanoRecipe().loss_weights
    with pytest.raises(RecipeError, match="dice"):
        read_recipe(file({"loss_weights": weights | {"dice": weight}}))
    with pytest.raises(RecipeError, match="dize"):
        read_recipe(file({"loss_weights": weights | {"dize": 1.0}}))


def test_no_recipe_may_train_on_what_is_measured():
    assert min(calibrate.HELD_OUT_SEED, scenes.HELD_OUT_SEED) >= HELD_OUT
    assert calibrate.HELD_OUT_SEED != scenes.HELD_OUT_SEED
