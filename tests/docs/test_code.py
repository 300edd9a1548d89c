"""Python on the pages runs, or is compiled and says why it is not run; YAML and JSON are such."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from docs.pages import PAGES, ROOT, blocks
from ivm.core.errors import IvmError
from ivm.inference.zoo import EMBEDDED

PYTHON = [block for page in PAGES for block in blocks(page) if block.language in ("python", "py")]
RUN = [
    block for block in PYTHON if not block.not_run and block.page != "README.md"
]  # the README's: tests/test_readme.py

needs_weights = pytest.mark.skipif(
    not (EMBEDDED / "ivm-nano" / "model.json").is_file(), reason="the weights of ivm-nano are not in the package"
)


def test_there_is_something_to_run():
    assert len(RUN) >= 5


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles_and_imports_what_there_is(block):
    compile(block.code, str(block), "exec")


def skip_where_nothing_is_drawn() -> None:
    """MuJoCo draws with OSMesa or EGL, which not every machine has."""
    pytest.importorskip("mujoco", reason="robots need the extra [robot]")
    from ivm.data.tabletop.mujoco_gl import open_context

    try:
        open_context(8, 8).free()
    except IvmError as error:
        pytest.skip(str(error))


@needs_weights
@pytest.mark.parametrize("block", RUN, ids=str)
def test_python_runs(place, block):
    if "gymnasium" in block.given or "TabletopEnv" in block.code:
        pytest.importorskip("gymnasium", reason="robots need the extra [robot]")
    if "TabletopEnv" in block.code:
        skip_where_nothing_is_drawn()
    subprocess.run(
        [sys.executable, "-W", "error", "-c", block.given + "\n" + block.code],
        check=True,
        timeout=200,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in blocks(page) if block.language in ("yaml", "json")], ids=str
)
def test_yaml_and_json_are_read(block):
    if block.language == "json":
        for line in block.code.splitlines():
            json.loads(line)
        return
    yaml = pytest.importorskip("yaml", reason="YAML is read by the package pyyaml")
    assert isinstance(yaml.safe_load(block.code), dict)


def recipe(page: str, first: str) -> str:
    found = [block.code for block in blocks(ROOT / page) if block.language == "yaml" and first in block.code]
    assert len(found) == 1
    return found[0]


def test_the_recipe_for_labels_is_read(tmp_path):
    pytest.importorskip("yaml", reason="recipes are read by the package pyyaml")
    from ivm.labeling.recipe import read_recipe

    (tmp_path / "label.yaml").write_text(recipe("docs/tasks/label.md", "planner"))
    assert read_recipe(tmp_path / "label.yaml").planner == "rules"


def test_the_recipe_for_training_is_read(tmp_path):
    pytest.importorskip("lightning", reason="recipes of training runs need the extra [train]")
    from ivm.training.recipe import read_recipe

    (tmp_path / "train.yaml").write_text(recipe("docs/tasks/train.md", "steps"))
    assert read_recipe(tmp_path / "train.yaml").steps == 2000
