"""The experiment: recipes, stages that are kept, intervals, the page, the command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from fake_models import RedModel

for package in ("torch", "gymnasium", "pyarrow", "yaml"):
    pytest.importorskip(package, reason=f"{package} is not installed")

from ivm.core.errors import DataError, RecipeError  # noqa: E402
from ivm.robotics.intervals import wilson  # noqa: E402
from ivm.robotics.page import page  # noqa: E402
from ivm.robotics.recipe import make_recipe, read_recipe  # noqa: E402
from ivm.robotics.rollout import Outcome  # noqa: E402
from ivm.robotics.sources import TrueMasks, make_masks  # noqa: E402
from ivm.robotics.study import Cell, Study  # noqa: E402
from ivm.robotics.verdict import verdicts  # noqa: E402
from ivm.robotics.video import Film, overlaid  # noqa: E402

TINY = {
    "demonstrations": 2,
    "camera": 48,
    "picture": 16,
    "steps": 3,
    "batch": 4,
    "episodes": 1,
    "repeats": 1,
    "max_steps": 3,
    "levels": ["trained"],
    "network": {"width": 8, "blocks": 1, "words": 8, "hidden": 16},
    "arms": [{"name": "plain"}, {"name": "red", "masks": "model", "fill": "white"}],
}


def cell(arm, level, successes, episodes=100):
    outcomes = tuple(Outcome(i, "go", i < successes, 1, 0, None) for i in range(episodes))
    return Cell(arm, level, outcomes)


def test_the_experiment_runs_and_a_second_run_does_nothing_again(can_draw, tmp_path):
    said = []
    study = Study(make_recipe(TINY), tmp_path, model=RedModel(), progress=lambda what, a, b: said.append(what))
    cells = study.run()
    assert [(one.arm, one.level, one.rate.episodes) for one in cells] == [
        ("plain", "trained", 1),
        ("red", "trained", 1),
    ]
    assert {"collecting", "masking for red", "training plain 0", "red on trained"} <= set(said)
    assert (tmp_path / "videos" / "plain-trained-0.mp4").stat().st_size > 500
    text = page(study, cells)
    assert "Not finished" not in text
    assert "data:image/jpeg;base64" in text
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    said.clear()
    again = Study(make_recipe(TINY), tmp_path, model=RedModel(), progress=lambda what, a, b: said.append(what)).run()
    assert again == cells
    assert said == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files
    more = Study(make_recipe(TINY | {"levels": ["trained", "background"]}), tmp_path, model=RedModel())
    assert "Not finished" in page(more, more.cells())
    with pytest.raises(DataError, match="another recipe"):
        Study(make_recipe(TINY | {"steps": 4}), tmp_path)


def test_masks_of_other_weights_are_not_mixed_with_those_that_are_there(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text('{"sha256": "1"}')
    recipe = make_recipe(TINY | {"model": str(model)})
    Study(recipe, tmp_path / "study")
    Study(recipe, tmp_path / "study")
    (model / "model.json").write_text('{"sha256": "2"}')
    with pytest.raises(DataError, match=f"other weights of {model}"):
        Study(recipe, tmp_path / "study")


def test_the_shipped_recipes_are_sound():
    folder = os.path.join(os.path.dirname(__file__), "..", "..", "recipes")  # noqa: PTH118, PTH120
    for name in ("robot-quick.yaml", "robot-controls.yaml", "robot-full.yaml"):
        recipe = read_recipe(os.path.join(folder, name))  # noqa: PTH118
        assert recipe.arms[0].name == "plain"
        assert recipe.episodes * recipe.repeats == 150


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"steps": 0}, "steps"),
        ({"colour": 1}, "unknown keys"),
        ({"levels": ["moon"]}, "levels"),
        ({"verbs": ["pick", "pick"]}, "verbs"),
        ({"arms": []}, "arms"),
        ({"arms": [{"name": "a"}, {"name": "a"}]}, "names of their own"),
        ({"arms": [{"name": "a", "masks": "model"}]}, "both masks and a fill"),
        ({"arms": [{"name": "a", "masks": "magic", "fill": "white"}]}, "magic"),
        ({"arms": [{"name": "a/b"}]}, "letters"),
        ({"arms": [{"name": "a", "train_as": "b"}]}, "no arm with training"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"seeds": [0.5]}, "seeds"),
        ({"network": {"depth": 3}}, "network"),
        ({"network": {"width": 0}}, "width"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(change, word):
    with pytest.raises(RecipeError, match=word):
        make_recipe(TINY | change)


def test_a_file_that_is_no_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match="No recipe"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("steps: [1")
    with pytest.raises(RecipeError, match="not YAML"):
        read_recipe(tmp_path / "bad.yaml")


def test_wilsons_interval():
    """The numbers of Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for successes, episodes, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        rate = wilson(successes, episodes)
        assert (rate.low, rate.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert str(wilson(1, 2)) == "0.50 [0.09, 0.91]"
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_the_verdict_says_what_was_reached_and_what_was_not():
    cells = [cell("plain", "trained", 90), cell("plain", "distractors", 20)]
    cells += [cell("nano", "trained", 88), cell("nano", "distractors", 60)]
    cells += [cell("wrong", "trained", 30), cell("wrong", "distractors", 25)]
    cells += [cell("plain", "all", 5), cell("nano", "all", 9)]
    nano, wrong = verdicts(cells, "plain")
    assert re.search(r"under distraction [^;]+, at least twice", nano)
    assert re.search(r"all changes together [^;]+, less than twice", nano)
    assert "together" not in wrong
    assert "no loss beyond" in nano
    assert "less than twice" in wrong
    assert "a loss beyond" in wrong


def test_masks_of_each_source():
    image, ids = np.full((16, 16, 3), 90, np.uint8), np.zeros((16, 16), np.uint8)
    image[6:10, 6:10], ids[6:10, 6:10] = (250, 10, 10), 1
    ids[:2] = 255
    model = RedModel()
    masks = {name: make_masks(name, model, every=1, others=["a cup", "a can"]) for name in ("truth", "random", "wrong")}
    for one in masks.values():
        one.begin("a cup", (1,), seed=3)
    truth = masks["truth"].mask(image, ids)
    assert truth[7, 7] == truth[0, 0] == 1
    assert truth[13, 13] == 0
    moved = masks["random"].mask(image, ids)
    assert moved[0, 0] == 1, "the robot stays"
    assert not np.array_equal(moved, truth)
    assert np.array_equal(moved, masks["random"].mask(image, ids)), "the same place throughout an episode"
    masks["wrong"].mask(image, ids)
    assert model.asked == [["a can"]]
    masks["wrong"].close()
    assert make_masks("none", model, every=1, others=[]).mask(image, ids) is None
    assert isinstance(masks["random"], TrueMasks)


def test_a_film_shows_the_mask(tmp_path):
    image = np.full((32, 32, 3), (200, 20, 20), np.uint8)
    soft = np.zeros((32, 32), np.float32)
    soft[8:24, 8:24] = 1
    shown = overlaid(image, soft)
    assert (shown[16, 16] == (200, 20, 20)).all()
    assert len(set(shown[2, 2].tolist())) == 1, "the rest is grey"
    film = Film("pick up the red cup")
    for _ in range(3):
        film(image, soft, image)
    assert film.strip(2).shape == (2 * (18 + 64), 128, 3)
    assert film.save(tmp_path / "a.mp4").stat().st_size > 500
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def robot(*arguments):
    line = [sys.executable, "-m", "ivm", "robot", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "300", "TERM": "dumb", "NO_COLOR": "1"}
    return subprocess.run(line, capture_output=True, text=True, timeout=280, env=environment)


def test_the_report_is_told_as_json_too(can_draw, tmp_path):
    recipe, place = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(json.dumps(TINY | {"arms": [{"name": "plain"}]}))
    done = robot("report", recipe, "-o", place, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [row] = told["cells"]
    assert (row["arm"], row["level"], row["episodes"]) == ("plain", "trained", 1)
    assert told["page"] == str(place / "report.html")
    assert (place / "report.html").is_file()


def test_the_command_names_mistakes(tmp_path):
    done = robot("mask", tmp_path, "-o", tmp_path / "x")
    assert done.returncode == 70
    assert "no LeRobot data set" in done.stderr
    done = robot("report", tmp_path / "none.yaml", "-o", tmp_path / "x")
    assert done.returncode == 61
    assert not (tmp_path / "x").exists()
