import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ivm.cli.app import app
from ivm.core.errors import OptionError, RecordError, ThresholdError


@pytest.fixture
def labelled(tmp_path, scene):
    """The scene of two squares, with the red one labelled."""
    Image.fromarray(scene).save(tmp_path / "scene.png")
    Image.fromarray(np.where(scene[..., 0] == 255, 255, 0).astype(np.uint8)).save(tmp_path / "red.png")
    entry = {"image": "scene.png", "mask": "red.png", "instruction": "the red square"}
    (tmp_path / "manifest.json").write_text(json.dumps([entry]))
    return tmp_path


def evaluate(*arguments):
    return CliRunner().invoke(app, ["eval", "objects", *map(str, arguments)])


def test_a_checkpoint_is_measured(labelled, toy_nano):
    done = evaluate(labelled, "--model", toy_nano, "-o", labelled / "out.json", "--sheet", labelled / "sheet.png")
    assert done.exit_code == 0, done.output
    told = json.loads((labelled / "out.json").read_text())
    assert told["phrases"] == ["{}", "pick up {}"]
    assert set(told["weights"]) == {"encoder.onnx", "predictor.onnx"}
    assert told["pointing"]["mean"] == 1
    assert told["iou"]["mean"] > 0.9
    assert told["weights"]["encoder.onnx"] in done.stdout
    assert "one picture, no interval" in done.stdout
    assert (labelled / "sheet.png").is_file()


def test_the_phrases_can_be_chosen(labelled, toy_nano):
    done = evaluate(labelled, "--model", toy_nano, "--phrase", "where is {}?", "--phrase", "give me {}")
    assert done.exit_code == 0, done.output
    assert "where is {}?" in done.stdout
    assert "n = 2 questions, 1 picture;" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--threshold", "2"], ThresholdError),
        (["--threshold", "nan"], ThresholdError),
        (["--phrase", "the cup"], OptionError),
        (["nowhere"], RecordError),
    ],
)
def test_a_mistake_is_named(labelled, toy_nano, arguments, error):
    done = evaluate(labelled, *arguments, "--model", toy_nano)
    assert isinstance(done.exception, error)
