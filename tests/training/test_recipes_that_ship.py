from pathlib import Path

import pytest

from ivm.training.recipe import model_of, parse_overrides, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize(("name", "model"), [("dwsl.yaml", "nano"), ("ivm-7b.yaml", "ivm-7b")])
def test_a_recipe_that_ships_can_be_read(name, model):
    assert model_of(read_recipe(RECIPES / name)) == model


def test_paths_are_found_beside_the_recipe():
    sources = read_recipe(RECIPES / "dwsl.yaml").record_settings().sources
    assert Path(sources[0]["shards"]) == RECIPES / "../runs/dwsl/data/human"


def test_overrides_reach_keys_below_keys():
    words = ["learning_rate=0.01", "records.pictures=3", "weighting.kind=dwsl", "discriminator.agreement=no"]
    recipe = read_recipe(RECIPES / "dwsl.yaml", parse_overrides(words))
    assert recipe.learning_rate == 0.01
    assert recipe.record_settings().pictures == 3
    assert recipe.record_settings().mirror == 0.5
    assert recipe.make_weighting().judged
    assert recipe.judge().agreement is False
