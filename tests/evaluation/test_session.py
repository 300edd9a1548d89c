import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ivm.core.errors import OutputError
from ivm.evaluation.session import evaluate_folders


@pytest.fixture
def console():
    return Console(record=True, width=120)


def test_the_report_says_what_a_reader_needs(masker, folder, console):
    evaluate_folders(masker, [folder], command="ivm eval objects [x]", console=console)
    text = console.export_text()
    assert "the red bar    4      0.81  0.62   0.75" in text
    assert "pointing accuracy 0.875 [0.625, 1.000]" in text
    assert "mean IoU          0.750 [0.500, 0.875]" in text
    assert "n = 6 questions, 2 pictures;" in text
    assert "model colours, threshold 0.5" in text
    assert "ivm eval objects [x]" in text


def test_folders_are_taken_together(masker, folder, console):
    assert len(evaluate_folders(masker, [folder, folder], console=console, phrases=["{}"]).scores) == 6


def test_json_holds_every_score(masker, folder, console, tmp_path):
    file = tmp_path / "scores.json"
    evaluate_folders(masker, [folder], json_file=file, console=console)
    told = json.loads(file.read_text())
    assert told["iou"] == {"mean": 0.75, "low": 0.5, "high": 0.875}
    assert told["questions"] == len(told["scores"]) == 6
    assert told["weights"] == {}
    assert told["scores"][1]["instruction"] == "pick up the red bar"
    assert told["scores"][1]["iou"] == 0.5


def test_the_sheet_is_a_picture(masker, folder, console, tmp_path):
    file = tmp_path / "sheet.png"
    evaluate_folders(masker, [folder], sheet_file=file, console=console)
    assert np.asarray(Image.open(file)).shape[1] == 6 * 320


def test_what_cannot_be_written_leaves_nothing_behind(masker, folder, console, tmp_path):
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match="taken"):
        evaluate_folders(masker, [folder], json_file=tmp_path / "taken", console=console)
    with pytest.raises(OutputError, match=r"a\.png"):
        evaluate_folders(masker, [folder], sheet_file=tmp_path / "a.png" / "sheet.png", console=console)
    assert sorted(tmp_path.iterdir()) == before
