import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from ivm.core.errors import DeviceError, OptionError
from ivm.core.model import Prediction
from ivm.evaluation.scenes import HELD_OUT_SEED, SceneReport, SceneScore, answer_scenes
from ivm.inference.masker import Masker


def score(found, *, present=True, scene=0, form="single", hit=1.0, iou=0.5):
    return SceneScore(
        scene=scene,
        instruction="the cup",
        form=form if present else "absent",
        present=present,
        hit=hit if present else None,
        iou=iou if present else None,
        found=found,
    )


def report(there, absent):
    """A report of questions with these values of `found`."""
    return SceneReport((*(score(value) for value in there), *(score(value, present=False) for value in absent)))


@pytest.mark.parametrize(
    ("there", "absent", "auroc"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),
        ([0.1, 0.2], [0.9, 0.8], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.9, 0.3], [0.5, 0.1], 0.75),
        ([0.9, 0.5], [0.5, 0.1], 0.875),
    ],
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(there, absent, auroc):
    assert report(there, absent).auroc == pytest.approx(auroc)


@pytest.mark.parametrize(("there", "absent"), [([0.5], []), ([], [0.5]), ([], [])])
def test_without_both_kinds_there_is_no_auroc(there, absent):
    assert np.isnan(report(there, absent).auroc)


@pytest.mark.parametrize(
    ("there", "absent", "error"),
    [
        ([1.0, 1.0], [0.0], 0.0),
        ([0.0], [1.0], 1.0),
        ([0.75, 0.75, 0.75], [0.75], 0.0),
        ([0.75], [0.75], 0.25),
        ([0.95], [0.25], 0.5 * 0.05 + 0.5 * 0.25),
    ],
)
def test_calibration_error_is_the_gap_between_what_is_told_and_what_is_true(there, absent, error):
    assert report(there, absent).calibration_error == pytest.approx(error)


def test_scores_are_taken_by_form_and_absent_ones_left_out():
    scores = SceneReport(
        (
            score(0.9, form="single", hit=1, iou=0.8, scene=0),
            score(0.9, form="two", hit=0, iou=0.2, scene=1),
            score(0.1, present=False, scene=1),
        )
    )
    assert scores.forms == ["single", "two"]
    assert scores.iou("two").mean == pytest.approx(0.2)
    assert scores.pointing("single").mean == 1
    assert scores.iou().mean == pytest.approx(0.5)
    assert scores.pointing().low == 0


class Everything:
    """Finds all of the picture in every picture, a little more at its middle; counts what it is asked."""

    name = "everything"

    def __init__(self):
        self.encoded, self.asked = 0, []

    def encode(self, images):
        self.encoded += len(images)
        return [image.shape[:2] for image in images]

    def predict(self, features, instructions):
        self.asked += instructions
        return Prediction([np.full(size, 4, np.float32) for size in features], np.full(len(features), 0.7, np.float32))


@pytest.fixture(scope="module")
def answered():
    model = Everything()
    return model, list(answer_scenes(Masker(model), scenes=3, questions=5))


def test_each_scene_is_encoded_once_and_asked_about(answered):
    model, scores = answered
    assert model.encoded == 3
    assert [one.scene for one in scores] == [0] * 5 + [1] * 5 + [2] * 5
    assert [one.instruction for one in scores] == model.asked
    assert all(one.found == pytest.approx(0.7) for one in scores)


def test_only_what_is_there_is_scored(answered):
    _, scores = answered
    assert {one.present for one in scores} == {True, False}
    for one in scores:
        assert (one.form != "absent") == one.present == (one.hit is not None) == (one.iou is not None)
        assert one.iou is None or 0 < one.iou < 1, "all of the picture is more than the thing"


def test_the_same_scenes_are_asked_about_each_time_and_others_for_another_seed(answered):
    again = answer_scenes(Masker(Everything()), scenes=1, questions=5)
    assert list(again) == answered[1][:5]
    other = answer_scenes(Masker(Everything()), scenes=1, questions=5, seed=1)
    assert list(other) != answered[1][:5]


def test_the_threshold_decides_what_is_masked():
    strict = answer_scenes(Masker(Everything()), scenes=1, questions=5, threshold=0.99)
    assert all(one.iou in (None, 0) for one in strict)


def command(toy_nano, *more):
    environment = os.environ | {"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"}
    line = [sys.executable, "-m", "ivm", "eval", "scenes", "--scenes", "10", "--model", str(toy_nano), *more]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=250)


def test_the_command_prints_a_table(toy_nano):
    done = command(toy_nano)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Question", "n", "pointing", "mean", "IoU"]
    numbers = r"\s+\d+\s+[01]\.\d{3} \[[01]\.\d{3}, [01]\.\d{3}\]\s+[01]\.\d{3} \[[01]\.\d{3}, [01]\.\d{3}\]"
    rows = [line for line in lines if re.match(rf"\w+( present)?{numbers}", line)]
    assert [row.split()[0] for row in rows][-1] == "all"
    assert {"single", "color"} <= {row.split()[0] for row in rows}
    assert re.search(r"AUROC 0\.\d{3}, calibration error 0\.\d{3}", done.stdout)
    assert "60 questions, 10 scenes" in done.stdout


def test_the_command_asks_about_other_scenes_by_another_seed(toy_nano):
    told = [json.loads(command(toy_nano, "--json", *more).stdout) for more in ((), ("--seed", "900100"))]
    assert [one["seed"] for one in told] == [HELD_OUT_SEED, 900_100]
    usual, other = ([score["instruction"] for score in one["scores"]] for one in told)
    assert usual != other


def test_another_renderer_draws_other_scenes(answered):
    pytest.importorskip("mujoco", reason="mujoco is not installed")
    try:
        scores = list(answer_scenes(Masker(Everything()), scenes=1, questions=5, renderer="mujoco"))
    except DeviceError as error:
        pytest.skip(str(error))
    assert len(scores) == 5
    assert scores != answered[1][:5]


def test_a_renderer_that_there_is_not_is_refused():
    with pytest.raises(OptionError, match="fast, mujoco"):
        next(answer_scenes(Masker(Everything()), scenes=1, renderer="blender"))
