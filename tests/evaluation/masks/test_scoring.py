"""Mask metrics against cases computed by hand, and against libraries where they define the same thing."""

import json

import numpy as np
import pytest

from ivm.evaluation.masks.presence import auroc, brier, calibration_error, reliability
from ivm.evaluation.masks.scoring import box_iou, score_mask
from ivm.evaluation.masks.summary import MaskSummary


def mask(*rows: str) -> np.ndarray:
    """Rows of "#" (1), "." (0) and "?" (ignored)."""
    return np.array([[{"#": 1, ".": 0, "?": 255}[one] for one in row] for row in rows], np.uint8)


def score(answer: np.ndarray, truth: np.ndarray, **about):
    heat = np.where(answer == 1, 0.9, 0.1).astype(np.float32)
    return score_mask(answer == 1, truth, heatmap=heat, **{"found": 0.9, "group": "a", **about})


HALF = score(mask("##..", "##.."), mask("#...", "#..."))  # I 2, U 4
WHOLE = score(mask("##..", "...."), mask("##..", "...."))  # I 2, U 2
MISS = score(mask("....", "...#"), mask("#...", "...."), group="b")  # I 0, U 2
BOTH_EMPTY = score(mask("....", "...."), mask("....", "...."), group="b", found=0.2)  # I 0, U 0
FALSE_ALARM = score(mask("###.", "...."), mask("....", "...."), group="c", found=0.6)  # I 0, U 3


def test_counts_and_iou_of_each_case():
    assert [(s.intersection, s.union) for s in (HALF, WHOLE, MISS, BOTH_EMPTY, FALSE_ALARM)] == [
        (2, 4), (2, 2), (0, 2), (0, 0), (0, 3)
    ]  # fmt: skip
    assert [s.iou for s in (HALF, WHOLE, MISS, BOTH_EMPTY, FALSE_ALARM)] == [0.5, 1.0, 0.0, 1.0, 0.0]


def test_ignored_pixels_count_neither_way():
    one = score(mask("####"), mask("##??"))
    assert (one.intersection, one.union, one.iou) == (2, 2, 1.0)
    assert one.box_iou == 1.0
    outside = score_mask(
        np.array([[True, False, False, True]]),
        mask("#..?"),
        heatmap=np.array([[0.6, 0.1, 0.1, 0.9]], np.float32),
        found=1,
    )
    assert outside.hit == 1.0, "the highest pixel is ignored, the next one is inside"


def test_metrics_by_hand():
    told = MaskSummary((HALF, WHOLE, MISS, BOTH_EMPTY, FALSE_ALARM)).to_json()
    assert told["gIoU"]["mean"] == pytest.approx((0.5 + 1 + 0 + 1 + 0) / 5, abs=1e-9)
    assert told["cIoU"] == pytest.approx(4 / 11, abs=1e-9)
    assert told["Pr@0.5"] == pytest.approx(1 / 3, abs=1e-9), (
        "0.5 is not above 0.5, and absent things have no place here"
    )
    assert told["Pr@0.9"] == pytest.approx(1 / 3, abs=1e-9)
    assert told["box_accuracy"] == pytest.approx(1 / 3, abs=1e-9)
    assert told["pointing"]["mean"] == pytest.approx((0.5 + 1 + 0) / 3, abs=1e-9)
    assert told["N-acc"] == pytest.approx(1 / 2, abs=1e-9)
    assert told["T-acc"] == 1
    assert told["presence_AUROC"] == 1
    assert (told["questions"], told["pictures"], told["present"]) == (5, 3, 3)


def test_without_any_union_ciou_is_not_defined():
    assert MaskSummary((BOTH_EMPTY,)).ciou is None
    assert MaskSummary((BOTH_EMPTY,)).giou.mean == 1


@pytest.mark.parametrize(
    ("first", "second", "iou"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0),
        (None, (0, 0, 1, 1), 0.0),
        (None, None, 1.0),
    ],
)
def test_boxes_are_half_open(first, second, iou):
    assert box_iou(first, second) == pytest.approx(iou, abs=1e-9)


def test_boxes_agree_with_supervision():
    supervision = pytest.importorskip("supervision")
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 30, (2, 40, 2, 2)), axis=2)
    corners[:, :, 1] += 1
    boxes = corners.reshape(2, 40, 4)
    theirs = np.diag(supervision.box_iou_batch(boxes[0].astype(float), boxes[1].astype(float)))
    ours = [box_iou(tuple(one.tolist()), tuple(two.tolist())) for one, two in zip(*boxes, strict=True)]
    assert ours == pytest.approx(theirs.tolist(), abs=1e-6)


def test_iou_agrees_with_torchmetrics():
    classification = pytest.importorskip("torchmetrics.classification")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    scores = []
    for number in range(20):
        answer, truth = (rng.random((2, 12, 9)) < 0.4).astype(np.uint8)
        truth[rng.random(truth.shape) < 0.1] = 255
        scores.append(score(answer, truth, group=str(number)))
        theirs = classification.BinaryJaccardIndex(ignore_index=255)(
            torch.from_numpy(answer.astype(np.int64)), torch.from_numpy(truth.astype(np.int64))
        )
        assert scores[-1].iou == pytest.approx(float(theirs), abs=1e-6), "theirs is a number of 32 bits"


def test_presence_agrees_with_torchmetrics_and_scipy():
    classification = pytest.importorskip("torchmetrics.classification")
    torch = pytest.importorskip("torch")
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    present = rng.random(400) < 0.6
    # With ties, off the borders of bins, and below 1, for which torchmetrics has a bin of its own.
    found = np.clip(np.round(rng.normal(0.4 + 0.3 * present, 0.25), 2) + 0.001, 0.001, 0.999)
    rows = torch.from_numpy(found), torch.from_numpy(present.astype(np.int64))
    u = stats.mannwhitneyu(found[present], found[~present]).statistic / (present.sum() * (~present).sum())
    assert auroc(found.tolist(), present.tolist()) == pytest.approx(u, abs=1e-9)
    assert auroc(found.tolist(), present.tolist()) == pytest.approx(
        float(classification.BinaryAUROC()(*rows)), abs=1e-6
    )
    error = float(classification.BinaryCalibrationError(n_bins=10, norm="l1")(*rows))
    assert calibration_error(found.tolist(), present.tolist()) == pytest.approx(error, abs=1e-6)


def test_calibration_by_hand():
    assert calibration_error([0.95, 0.95, 0.25], [True, False, False]) == pytest.approx(2 / 3 * 0.45 + 1 / 3 * 0.25)
    assert brier([1.0, 0.5], [True, False]) == pytest.approx(0.125)
    assert [row.questions for row in reliability([0.1, 1.0, 0.15], [True, True, False])] == [2, 1]
    assert calibration_error([], []) is None
    assert auroc([0.5], [True]) is None


@pytest.mark.parametrize("truth", [mask("#."), np.array([[0, 2]], np.uint8), np.array([[0, 1]], np.int64)])
def test_a_wrong_truth_is_refused(truth):
    with pytest.raises(ValueError, match=r"Expected|holds"):
        score_mask(np.zeros((1, 3), np.bool_), truth, heatmap=np.zeros((1, 3), np.float32), found=0)
    if truth.dtype != np.uint8 or truth.max() > 1:
        with pytest.raises(ValueError, match="0, 1 and 255"):
            score_mask(np.zeros((1, 2), np.bool_), truth, heatmap=np.zeros((1, 2), np.float32), found=0)


def test_a_summary_is_json():
    text = json.dumps(MaskSummary((HALF, MISS, BOTH_EMPTY)).to_json(), allow_nan=False)
    assert json.loads(text)["gIoU"]["low"] is not None
