"""`ivm train`, `ivm export` and `ivm mask` with what came out, as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from ivm.cli.app import app
from ivm.core import errors
from ivm.core.instruction import token_batch
from ivm.inference.nano_onnx import NanoOnnx
from ivm.models.nano.weights import load_network
from ivm.training.export_ivm7b import ABOUT
from ivm.training.nano import NanoModule
from ivm.training.recipe import NanoRecipe
from mishaps import no_large_files
from tiny_run import TINY_RECIPE, tiny_checkpoint

QUESTIONS = ["the red cup", "put the duck on the green plate"]


def ivm(place, *arguments, **options):
    environment = os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    line = [sys.executable, "-m", "ivm", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=place, timeout=280, **options)


def sentence(done) -> str:
    """The only line on standard error, less "error: "; below it stands where to read more."""
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] in ([], ["more"]), done.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The current folder: the tiny recipe, for two processes."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY_RECIPE | {"processes": 2}))
    return folder


@pytest.fixture(scope="module")
def trained(place):
    """What a training of two steps, asked for on the command line, printed."""
    done = ivm(place, "train", "tiny.yaml", "-o", "run", "--steps", "2", "--quiet")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def exported(place, trained):
    """The folder of the exported model."""
    done = ivm(place, "export", "run/last.ckpt", "-o", "model", "--scenes", "32")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "Exported to model. To use it: ivm mask PICTURE INSTRUCTION --model model\n"
    return place / "model"


def test_two_processes_train_and_speak_once(place, trained):
    assert trained.stdout == "Trained: run/last.ckpt. To use it: ivm export run/last.ckpt -o my-model\n"
    assert trained.stderr == ""
    checkpoint = torch.load(place / "run" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    assert not list((place / "run").glob("*.part"))


def test_the_exported_folder_is_complete(exported):
    assert sorted(path.name for path in exported.iterdir()) == [
        "encoder.onnx", "model.json", "network.safetensors", "predictor.onnx"
    ]  # fmt: skip
    about = json.loads((exported / "model.json").read_text())
    assert (about["format"], about["version"], about["name"]) == ("ivm-nano", 1, "ivm-nano")
    assert about["features"] == ["f4", "f8", "f16", "kinds", "colors"]
    network = load_network(exported.parent / "run" / "last.ckpt")
    parts = (network.encoder, network.predictor)
    assert about["parameters"] == sum(p.numel() for part in parts for p in part.parameters())
    assert set(about["calibration"]) == {"scale", "bias", "shift"}
    here = str(Path(__file__).parents[2]).encode()
    assert not any(here in path.read_bytes() for path in exported.iterdir()), "no path of the machine is told"


@pytest.mark.parametrize(("height", "width"), [(352, 480), (480, 352)])
def test_the_exported_graphs_answer_as_the_network_does(exported, height, width):
    network = load_network(exported.parent / "run" / "last.ckpt")
    told_of = json.loads((exported / "model.json").read_text())["calibration"]
    scale, bias, shift = (told_of[name] for name in ("scale", "bias", "shift"))
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    model = NanoOnnx(exported, device="cpu", threads=1)
    told = model.predict(model.encode([image]) * 2, QUESTIONS)
    with torch.no_grad():
        logits, presence, _ = network(
            torch.from_numpy(image).permute(2, 0, 1)[None].float(),
            torch.from_numpy(token_batch(QUESTIONS)),
            torch.zeros(2, dtype=torch.int64),
        )
    meant = torch.sigmoid(logits + shift).numpy()
    assert np.abs(1 / (1 + np.exp(-np.stack(told.logits))) - meant).max() < 1e-2
    assert np.abs(told.presence - torch.sigmoid(scale * presence + bias).numpy()).max() < 1e-2


def test_a_network_in_8_bits_says_so(exported):
    done = ivm(exported.parent, "export", "run/last.ckpt", "--int8", "-o", "small", "--scenes", "32")
    assert (done.returncode, done.stderr) == (0, "")
    small = exported.parent / "small"
    assert 0 < json.loads((small / "model.json").read_text())["eight_bits"]["mean_difference"] < 5e-3
    image = np.random.default_rng(0).integers(0, 256, (352, 480, 3), np.uint8)
    told, exact = (NanoOnnx(of, device="cpu", threads=1) for of in (small, exported))
    one, other = (model.predict(model.encode([image]), QUESTIONS[:1]).logits[0] for model in (told, exact))
    assert not np.array_equal(one, other)
    assert np.abs(one - other).mean() < 0.1


def test_the_exported_model_masks_a_picture(exported):
    place = exported.parent
    Image.fromarray(np.full((60, 80, 3), 128, np.uint8)).save(place / "grey.png")
    done = ivm(place, "mask", "grey.png", "the red cup", "--model", exported, "-o", "masked", "--json")
    assert done.returncode == 0, done.stderr
    assert 0 <= json.loads(done.stdout)["found"] <= 1
    assert (place / "masked" / "hard.png").is_file()


def weights(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def test_a_run_that_is_killed_goes_on_to_the_same_weights(place):
    """Fifty steps in one go, and fifty with SIGKILL after a checkpoint at step 20 or later."""
    recipe = TINY_RECIPE | {"steps": 50, "save_every": 20, "weighting": {"kind": "dwsl"}}
    (place / "fifty.yaml").write_text(yaml.safe_dump(recipe | {"discriminator": {"width": 8}}))
    line = ("train", "fifty.yaml", "--quiet", "-o")
    assert ivm(place, *line, "whole").returncode == 0
    killed = subprocess.Popen([sys.executable, "-m", "ivm", *line, "parts"], cwd=place)
    limit = time.monotonic() + 200
    while not (place / "parts" / "last.ckpt").exists() and killed.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert torch.load(place / "parts" / "last.ckpt", weights_only=True)["global_step"] in (20, 40, 50)
    assert ivm(place, *line, "parts").returncode == 0
    torch.testing.assert_close(weights(place / "parts"), weights(place / "whole"), atol=1e-6, rtol=0)


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(place):
    before = sorted(place.rglob("*"))
    done = CliRunner().invoke(app, ["train", str(place / "tiny.yaml"), "data.pictures=3", "data.fresh=2", "--dry-run"])
    assert done.exit_code == 0, done.exception
    network = sum(p.numel() for p in NanoModule(NanoRecipe(**TINY_RECIPE)).parameters())
    assert f"model nano: {network:,} parameters trained, 0 frozen" in done.stdout
    assert "4 steps of 6 pictures: 24 in all" in done.stdout
    line = ["train", str(place / "tiny.yaml"), "data.pictures=3", "data.fresh=2", "--dry-run", "--json"]
    told = json.loads(CliRunner().invoke(app, line).stdout)
    assert (told["model"], told["steps"], told["pictures"]) == ("nano", 4, 6)
    assert sorted(place.rglob("*")) == before


def test_a_full_disk_while_training(place):
    line = ("train", "tiny.yaml", "-o", "full", "--processes", "1", "--quiet")
    done = ivm(place, *line, preexec_fn=no_large_files)
    assert "No space is left to write" in sentence(done)
    assert done.returncode == errors.DiskFullError.exit_code
    assert not list((place / "full").glob("*.ckpt"))


def test_a_loss_that_is_no_number_is_told_once(place):
    weights = {"bce": 1e39, "dice": 1, "presence": 1, "kinds": 1, "colors": 1}  # more than a float32 holds
    (place / "wild.yaml").write_text(yaml.safe_dump(TINY_RECIPE | {"loss_weights": weights, "processes": 2}))
    done = ivm(place, "train", "wild.yaml", "-o", "wild", "--quiet")
    assert "lower learning_rate" in sentence(done)
    assert done.returncode == errors.TrainingError.exit_code
    assert not list((place / "wild").glob("*.ckpt"))


def is_there(group):
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_both_processes_and_the_run_goes_on(place):
    (place / "long.yaml").write_text(yaml.safe_dump(TINY_RECIPE | {"steps": 100_000, "save_every": 1, "processes": 2}))
    line = [sys.executable, "-m", "ivm", "train", "long.yaml", "-o", "long", "--quiet"]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, cwd=place, start_new_session=True)
    limit = time.monotonic() + 200
    while not (place / "long" / "last.ckpt").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert told == "error: interrupted: run the same command again to go on from the last checkpoint in long\n"
    limit = time.monotonic() + 30  # the system clears ended processes away in its own time
    while is_there(process.pid) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not is_there(process.pid)
    assert torch.load(place / "long" / "last.ckpt", weights_only=True)["global_step"] >= 1


MISTAKES = {
    "8 bits for IVM-7B": (["export", "large.ckpt", "--int8"], errors.OptionError, "--quantize int8"),
    "an override without a value": (["train", "tiny.yaml", "steps"], errors.RecipeError, "key=value"),
    "an override of nothing": (["train", "tiny.yaml", "data.picturez=3"], errors.RecipeError, "picturez"),
    "an impossible override": (["train", "tiny.yaml", "learning_rate=fast"], errors.RecipeError, "learning_rate"),
    "a key of a number": (["train", "tiny.yaml", "steps.more=3"], errors.RecipeError, "steps"),
    "no recipe": (["train", "gone.yaml"], errors.RecipeError, "gone.yaml"),
    "an unknown key": (["train", "odd.yaml"], errors.RecipeError, "picturez"),
    "no steps": (["train", "tiny.yaml", "--steps", "0"], errors.RecipeError, "steps"),
    "a run below a file": (["train", "tiny.yaml", "-o", "tiny.yaml/run"], errors.OutputError, "tiny.yaml/run"),
    "a run in /proc": (["train", "tiny.yaml", "-o", "/proc/run"], errors.OutputError, "/proc/run"),
    "no checkpoint": (["export", "gone.ckpt"], errors.CheckpointError, "gone.ckpt"),
    "a text for a checkpoint": (["export", "tiny.yaml"], errors.CheckpointError, "tiny.yaml"),
    "a model below a file": (["export", "good.ckpt", "-o", "tiny.yaml/model"], errors.OutputError, "tiny.yaml"),
}


@pytest.mark.parametrize(("arguments", "error", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named(place, monkeypatch, arguments, error, words):
    monkeypatch.chdir(place)
    (place / "odd.yaml").write_text(yaml.safe_dump({"data": {"picturez": 3}}))
    torch.save(tiny_checkpoint(), place / "good.ckpt")
    torch.save(tiny_checkpoint(**{ABOUT: {}}), place / "large.ckpt")
    before = sorted(place.rglob("*"))
    done = CliRunner().invoke(app, arguments)
    assert type(done.exception) is error
    assert words in str(done.exception)
    assert sorted(place.rglob("*")) == before
