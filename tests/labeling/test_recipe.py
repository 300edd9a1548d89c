"""A recipe says everything, and what it says wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivm.core.errors import OptionError, RecipeError, UnknownModelError
from ivm.labeling.asking import PROMPTS
from ivm.labeling.recipe import LabelRecipe, read_recipe
from ivm.lmm.prompts import Prompt, newest_prompt
from labeling_tasks import write_lines

ROOT = Path(__file__).parents[2]
GOOD = "source: {path: tasks.jsonl}\noutput: out\n"


def recipe(tmp_path: Path, text: str) -> LabelRecipe:
    write_lines(tmp_path, 2)
    (tmp_path / "r.yaml").write_text(text)
    return read_recipe(tmp_path / "r.yaml")


def test_paths_begin_at_the_recipe(tmp_path):
    one = recipe(tmp_path, GOOD)
    assert one.folder() == (tmp_path / "out").resolve()
    assert len(one.task_source()) == 2
    assert one.expert_specs()[0].name == "ivm-nano"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("label-*.yaml")))
def test_the_recipes_of_the_project_are_good(path):
    assert read_recipe(path).stages()


def test_there_are_recipes():
    assert list((ROOT / "recipes").glob("label-*.yaml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not YAML"),
        ("- a", "keys and values"),
        ("output: out", "lacks source"),
        (GOOD + "colour: red", "unknown keys.*colour"),
        (GOOD + "planner: psychic", "planner must be one of rules, lmm"),
        (GOOD + "planner: lmm", "give lmm with base_url and model"),
        (GOOD + "verifier: lmm", "give lmm with base_url and model"),
        (GOOD + "lmm: {model: m}", "base_url, such as"),
        (GOOD + "lmm: {base_url: 'http://h/v1', model: m, api_key: sk-1}", "unknown keys.*api_key"),
        (GOOD + "records: 0", "records a whole number of 1 or more"),
        (GOOD + "keep: [king]", "keep must list some of target, relation, container, tool"),
        (GOOD + "limits: {quality: high}", "limits must be numbers"),
        (GOOD + "limits: {beauty: 1}", "unknown keys.*beauty"),
        (GOOD + "experts: []", "one or more"),
        (GOOD + "experts: [{model: ivm-nano}, {model: ivm-nano}]", "of another name"),
        (GOOD + "experts: [{name: a}]", "needs a model"),
        (GOOD + "experts: [{model: ivm-nano, workers: 0}]", "at least one worker"),
        (GOOD + "experts: ivm-nano", "must be a list"),
        (GOOD + "ray: {host: x}", "unknown keys.*host"),
        (GOOD + "engine: steam", "engine must be one of ray, here"),
    ],
)
def test_a_wrong_recipe_is_named(tmp_path, text, told):
    with pytest.raises(RecipeError, match=told):
        recipe(tmp_path, text)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match="No recipe can be read"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("source", ["{}", "{path: a, colour: b}", "{scenes: {moons: 3}}", "tasks.jsonl"])
def test_a_wrong_source_is_named(tmp_path, source):
    with pytest.raises(RecipeError, match="source must have path"):
        recipe(tmp_path, f"source: {source}\noutput: out\n").task_source()


@pytest.mark.parametrize(
    ("source", "told"),
    [("{path: tasks.jsonl, layout: pile}", "layout must be one of shards"),
     ("{scenes: {scenes: 0}}", "scenes and questions must be 1 or more")],
)  # fmt: skip
def test_an_impossible_source_is_named(tmp_path, source, told):
    with pytest.raises(RecipeError, match=told):
        recipe(tmp_path, f"source: {source}\noutput: out\n").task_source()


def test_a_prompt_of_ones_own_is_read_and_cited(tmp_path):
    (tmp_path / "plan-v7.txt").write_text("You plan.\n---\nInstruction: $instruction\n")
    text = GOOD + "planner: lmm\nlmm: {base_url: 'http://h/v1', model: m}\nprompts: {plan: plan-v7.txt}\n"
    settings = recipe(tmp_path, text).run().settings
    assert settings["prompts"]["plan"] == Prompt.read(tmp_path / "plan-v7.txt").id
    assert settings["lmm"] == {"model": "m", "structured": "json_schema"}


def test_a_calibration_must_know_all_experts(tmp_path):
    from ivm.labeling.calibration import Calibration

    Calibration().write(tmp_path / "c.json")
    with pytest.raises(OptionError, match="lacks ivm-nano: calibrate again"):
        recipe(tmp_path, GOOD + "calibration: c.json").stages()


def test_an_unknown_model_is_told_when_it_is_loaded(tmp_path):
    one = recipe(tmp_path, GOOD + "experts: [{model: no-such-model}]\nengine: here\n")
    work = one.run()
    with one.engine_for(work.stages) as engine, pytest.raises(UnknownModelError, match="no-such-model"):
        work.run(engine)


def test_every_prompt_of_the_package_can_be_read_and_filled_in():
    marks = {"plan": {"instruction": "a"}, "verify": {"instruction": "a"}, "invent": {"object": "a", "caption": "b"}}
    for name, values in marks.items():
        prompt = newest_prompt(PROMPTS, name)
        system, question = prompt.messages(**values)
        assert system["role"] == "system"
        assert "a" in question["content"]


@pytest.mark.parametrize("name", ["plan.txt", "plan-v0.txt", "Plan-v1.txt", "plan-v1.md"])
def test_prompts_are_called_by_name_and_version(tmp_path, name):
    (tmp_path / name).write_text("a\n---\nb")
    with pytest.raises(OptionError, match="NAME-vNUMBER"):
        Prompt.read(tmp_path / name)


@pytest.mark.parametrize("text", ["", "a", "a\n---\n", "a\n---\n$ b", "a\n---\nb\n---\nc"])
def test_prompts_have_two_parts(tmp_path, text):
    (tmp_path / "plan-v1.txt").write_text(text)
    with pytest.raises(OptionError, match="a line '---'"):
        Prompt.read(tmp_path / "plan-v1.txt")


def test_values_are_filled_in_as_they_are(tmp_path):
    (tmp_path / "plan-v1.txt").write_text("a\n---\n$$5 for $thing")
    prompt = Prompt.read(tmp_path / "plan-v1.txt")
    assert prompt.messages(thing="$other {x} %s")[1]["content"] == "$5 for $other {x} %s"
    with pytest.raises(OptionError, match="filled in with"):
        prompt.messages(other="x")
    (tmp_path / "plan-v12.txt").write_text("a\n---\nnew")
    (tmp_path / "plan-v3.txt").write_text("a\n---\nold")
    assert newest_prompt(tmp_path, "plan").version == 12
