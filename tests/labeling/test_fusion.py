"""Opinions of small pictures are joined; every array is small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from ivm.core.errors import OptionError
from ivm.labeling.calibration import Calibration, ExpertCalibration
from ivm.labeling.expert import Opinion
from ivm.labeling.fitting import FEWEST, Calibrator
from ivm.labeling.fusion import fuse, grid_of, soft_overlap, union
from ivm.masking.overlap import mask_iou


def opinion(rows: list[str], *, strength: float = 5.0, presence: float = 0.9) -> Opinion:
    """`#` for needed, `.` for not."""
    marks = np.array([[letter == "#" for letter in row] for row in rows])
    return Opinion(np.where(marks, strength, -strength).astype(np.float16), presence)


def drawn(mask: np.ndarray) -> list[str]:
    return ["".join("#" if value else "." for value in row) for row in mask]


LEFT = ["##....", "##....", "......", "......"]
RIGHT = ["......", "......", "....##", "....##"]
WIDE = ["###...", "###...", "......", "......"]


def test_experts_that_agree_are_sure():
    fused = fuse({"a": opinion(LEFT), "b": opinion(LEFT)}, Calibration(), 4, 6)
    assert drawn(fused.mask) == LEFT
    assert fused.quality > 0.9
    assert fused.agreement["a"] > 0.9


def test_one_that_is_wrong_is_outvoted_and_lowers_the_quality():
    fused = fuse({"a": opinion(LEFT), "b": opinion(LEFT), "wrong": opinion(RIGHT)}, Calibration(), 4, 6)
    assert drawn(fused.mask) == LEFT
    assert fused.agreement["wrong"] < 0.1
    sure = fuse({"a": opinion(LEFT), "b": opinion(LEFT), "c": opinion(WIDE)}, Calibration(), 4, 6)
    assert fused.quality < sure.quality < 1


def test_a_surer_expert_is_not_louder_than_its_calibration_allows():
    table = {"logits": (-20.0, 20.0), "evidence": (-0.5, 0.5), "weight": 1.0}
    calm = Calibration(experts={"loud": ExpertCalibration(**table)}, sharpness=0.0, support=0.0)
    fused = fuse({"loud": opinion(RIGHT, strength=20), "a": opinion(LEFT, strength=2)}, calm, 4, 6)
    assert drawn(fused.mask) == LEFT


def test_one_opinion_alone_is_taken_as_it_is():
    assert drawn(fuse({"a": opinion(WIDE)}, Calibration(), 4, 6).mask) == WIDE


def test_opinions_of_any_grid_are_joined_on_one():
    coarse = Opinion(np.array([[5.0, -5.0], [-5.0, -5.0]], np.float16), 0.9)
    fused = fuse({"a": coarse, "b": opinion(["##..", "##..", "....", "...."])}, Calibration(), 4, 4)
    assert drawn(fused.mask) == ["##..", "##..", "....", "...."]
    assert grid_of(1000, 500) == (192, 96)
    assert grid_of(4, 6) == (4, 6)


def test_the_union_needs_all_things_and_is_as_good_as_the_worst():
    first = fuse({"a": opinion(LEFT), "b": opinion(LEFT)}, Calibration(), 4, 6)
    second = fuse({"a": opinion(RIGHT), "b": opinion(WIDE)}, Calibration(), 4, 6)
    logits, quality = union([first, second])
    assert (logits > 0)[0, 0]
    assert quality == second.quality < first.quality


def test_soft_overlap_of_nothing_is_whole():
    nothing = np.zeros((2, 2), np.float32)
    assert soft_overlap(nothing, nothing) == 1.0
    assert soft_overlap(nothing, nothing + 1) == 0.0


def things(count: int, seed: int = 0):
    """Truths, and what three experts make of them: one exact, one always too large, one of chance."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth = np.zeros((24, 32), bool)
        y, x = rng.integers(4, 12), rng.integers(4, 20)
        truth[y : y + 8, x : x + 8] = True
        large = np.zeros_like(truth)
        large[y - 3 : y + 11, x - 3 : x + 11] = True
        noise = rng.random(truth.shape) < 0.5
        yield (
            {
                "exact": Opinion(np.where(truth ^ (rng.random(truth.shape) < 0.05), 2.0, -2.0).astype(np.float16), 0.9),
                "large": Opinion(np.where(large, 9.0, -9.0).astype(np.float16), 0.9),
                "chance": Opinion(np.where(noise, 9.0, -9.0).astype(np.float16), 0.9),
            },
            truth,
        )


@pytest.fixture(scope="module")
def learnt() -> Calibration:
    calibrator = Calibrator(["exact", "large", "chance"])
    for opinions, truth in things(20):
        calibrator.add(opinions, truth)
    return calibrator.fit()


def test_who_guesses_counts_for_nothing(learnt):
    evidence = learnt.evidence("chance", np.array([[-9.0, 9.0]], np.float32))
    assert np.abs(evidence).max() < 0.5
    assert learnt.evidence("exact", np.array([[2.0]], np.float32)) > 1.5
    # Outside what is always drawn too large there is surely nothing; inside it there may be.
    low, high = learnt.evidence("large", np.array([[-9.0, 9.0]], np.float32))[0]
    assert abs(low) > high > 0


def test_learnt_fusion_is_better_than_the_average_and_any_single(learnt):
    fused, average, exact = [], [], []
    for opinions, truth in things(20, seed=1):
        fused.append(mask_iou(fuse(opinions, learnt, 24, 32).mask, truth))
        logits = np.stack([one.logits.astype(np.float32) for one in opinions.values()])
        average.append(mask_iou((1 / (1 + np.exp(-logits))).mean(axis=0) > 0.5, truth))
        exact.append(mask_iou(opinions["exact"].logits > 0, truth))
    assert np.mean(fused) > max(np.mean(average), np.mean(exact)) + 0.05
    assert np.mean(fused) > 0.75


def test_what_was_learnt_is_kept_in_a_file(learnt, tmp_path):
    learnt.write(tmp_path / "c.json")
    assert Calibration.read(tmp_path / "c.json") == learnt


def test_presence_is_learnt_where_things_were_asked_for_in_vain():
    calibrator = Calibrator(["a"])
    for number, (opinions, truth) in enumerate(things(24)):
        there = number % 3 > 0
        said = Opinion(opinions["exact"].logits, 0.95 if there else 0.8)
        calibrator.add({"a": said}, truth if there else np.zeros_like(truth))
    learnt = calibrator.fit()
    assert learnt.presence("a", 0.95) > 0.6 > 0.4 > learnt.presence("a", 0.8)


def test_too_few_labelled_things_teach_nothing():
    calibrator = Calibrator(["exact", "large", "chance"])
    for opinions, truth in things(FEWEST - 1):
        calibrator.add(opinions, truth)
    with pytest.raises(OptionError, match="at least 8 labelled things"):
        calibrator.fit()


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "no calibration"), ("[]", "no calibration"), ('{"version": 0, "experts": {}}', "another version"),
     ('{"version": 1, "experts": {"a": {"logits": [2, 1], "evidence": [0, 0], "weight": 1}}}', "increasing logits"),
     ('{"version": 1, "experts": {"a": {"logits": [1], "evidence": [0], "weight": "x"}}}', "increasing logits"),
     ('{"version": 1, "experts": {}, "spell": 1}', "no calibration")],
)  # fmt: skip
def test_a_damaged_calibration_is_named(tmp_path, text, told):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(OptionError, match=told):
        Calibration.read(tmp_path / "c.json")
    with pytest.raises(OptionError, match="cannot be read"):
        Calibration.read(tmp_path / "none.json")
