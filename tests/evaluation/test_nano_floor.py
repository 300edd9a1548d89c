"""The embedded model on real pictures, none of which it was trained on, may not fall below what it has reached."""

from pathlib import Path

import pytest

from ivm.evaluation.grounding import Grounding, answer_all
from ivm.evaluation.objects import read_objects
from ivm.inference.zoo import EMBEDDED, load

FLOOR_POINTING = 0.97
FLOOR_IOU = 0.83

pytestmark = pytest.mark.skipif(
    not (EMBEDDED / "ivm-nano" / "model.json").is_file(), reason="the weights of ivm-nano are not in the package"
)


@pytest.fixture(scope="module")
def grounding(data: Path) -> Grounding:
    objects = [one for folder in ("tabletop_frames", "tabletop_photo") for one in read_objects(data / folder)]
    return Grounding(tuple(answered.score for answered in answer_all(load("ivm-nano"), objects)))


def test_it_is_all_objects_in_both_phrases(grounding):
    assert len(grounding.scores) == 2 * (75 + 7)


def test_pointing_accuracy_holds(grounding):
    assert grounding.pointing.mean >= FLOOR_POINTING, f"pointing accuracy {grounding.pointing}"


def test_mean_iou_holds(grounding):
    assert grounding.iou.mean >= FLOOR_IOU, f"mean IoU {grounding.iou}"
