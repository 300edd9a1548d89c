from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import ivm
from ivm.cli.options import PAPER, color_of, pictures_of
from ivm.core.errors import OptionError
from ivm.masking import MORE_PICTURES, PAPER_KEYS


def ivm_command(*arguments, **variables):
    environment = os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"} | variables
    line = [sys.executable, "-m", "ivm", *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=60)


def test_version():
    assert ivm_command("--version").stdout == f"ivm {ivm.__version__}\n"


def test_help_names_every_command():
    done = ivm_command("--help")
    assert done.returncode == 0
    assert all(
        name in done.stdout
        for name in ("mask", "models", "doctor", "docs/errors.md", "--version", "--install-completion")
    )


def test_help_of_mask_has_examples_and_every_option():
    text = ivm_command("mask", "--help").stdout
    assert 'ivm mask table.jpg "pick up the red cup"' in text
    assert '{"image": path, "instruction": text}' in text
    for option in (
        "--output", "--threshold", "--preset", "--style", "--only", "--model", "--sam", "--llava", "--device",
        "--dtype", "--encoder", "--quantize", "--low-gpu-memory",
        "--fill-color", "--blur",
        "--dilate", "--batch-size", "--overwrite", "--json", "--quiet", "--debug",
    ):  # fmt: skip
        assert option in text


def test_help_loads_no_model_runtime():
    code = "import sys; from ivm.cli.main import run; run(['mask', '--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = done.stdout.rpartition("[")[2]
    assert all(f"'{name}'" not in loaded for name in ("cv2", "onnxruntime", "torch", "ivm.inference"))


def test_models_as_table_and_as_json():
    table = ivm_command("models").stdout
    assert "ivm-nano" in table
    assert "ivm[full]" in table
    for model in (models := json.loads(ivm_command("models", "--json", HF_HUB_CACHE=os.devnull).stdout)):
        assert model["name"] in table
        assert all(model[what] for what in ("task", "size", "memory", "license", "origin"))
        assert model["here"] is (model["name"] == "ivm-nano")
        assert list(model["missing"]) == model["repositories"]
    assert [model["name"] for model in models] == [
        "ivm-nano", "ivm-7b", "clipseg", "owlv2", "grounding-dino", "florence2",
    ]  # fmt: skip


def test_models_names_what_is_missing():
    table = " ".join(ivm_command("models", HF_HUB_CACHE=os.devnull).stdout.split())
    assert "embedded" in table
    assert "all of" in table


def test_names_of_pictures_are_those_of_a_result():
    assert PAPER == PAPER_KEYS
    assert pictures_of("highlight", None) == [*PAPER_KEYS, "sheet"]
    assert set(pictures_of("highlight", ["gray", "inpaint", "heatmap"])) == set(MORE_PICTURES)
    assert pictures_of("gray", ["crop", "sheet", "cropped_highlight_img"]) == ["cropped_highlight_img", "sheet"]


@pytest.mark.parametrize("text", ["white", "#ffffff", "255,255,255", "rgb(255, 255, 255)"])
def test_colours(text):
    assert color_of(text) == (255, 255, 255)


@pytest.mark.parametrize("text", ["", "256,0,0,0,0", "1,2", "nothing"])
def test_no_colours(text):
    with pytest.raises(OptionError):
        color_of(text)
