from __future__ import annotations

import numpy as np
import pytest
import transformers

from ivm.core.errors import ModelError, OptionError
from ivm.models.experts.boxed import BoxChoice, BoxedExpert
from ivm.models.experts.boxes import Detections, choose, corners, in_picture
from ivm.models.experts.grounding_dino import fractions_to_pixels, prompt
from ivm.models.experts.owlv2 import square_to_pixels
from ivm.models.experts.sam import scale_boxes


def test_a_centre_and_a_size_become_corners():
    np.testing.assert_array_equal(corners([[5, 10, 4, 6]]), [[3, 7, 7, 13]])
    assert corners(np.zeros((0, 4))).shape == (0, 4)


def test_fractions_count_in_each_axis_of_its_own():
    """The right upper quarter of a picture 80 high, 200 wide."""
    np.testing.assert_allclose(fractions_to_pixels([[0.75, 0.25, 0.5, 0.5]], (80, 200)), [[100, 0, 200, 40]])


def test_fractions_of_owlv2_count_in_the_longer_side():
    """A picture 100 high, 200 wide lies in the upper half of its square: the lower half is padding."""
    whole = [[0.5, 0.25, 1.0, 0.5]]
    np.testing.assert_allclose(square_to_pixels(whole, (100, 200)), [[0, 0, 200, 100]])
    np.testing.assert_allclose(square_to_pixels([[0.25, 0.5, 0.5, 1.0]], (200, 100)), [[0, 0, 100, 200]])
    padding = square_to_pixels([[0.5, 0.75, 1.0, 0.5]], (100, 200))
    np.testing.assert_allclose(padding, [[0, 100, 200, 200]])
    assert len(in_picture(padding, np.array([0.9]), (100, 200)).boxes) == 0


def test_boxes_are_cut_to_the_picture():
    boxes = np.array([[-5, -5, 3, 4], [8, 1, 30, 30], [2, 2, 2.5, 9], [50, 1, 60, 5]], np.float32)
    found = in_picture(boxes, np.array([0.1, 0.2, 0.3, 0.4]), (10, 20))
    np.testing.assert_allclose(found.boxes, [[0, 0, 3, 4], [8, 1, 20, 10]])
    np.testing.assert_allclose(found.scores, [0.1, 0.2])
    assert found.best == pytest.approx(0.2)


def test_boxes_that_are_not_numbers_are_an_error():
    with pytest.raises(ModelError, match="not numbers"):
        in_picture(np.array([[0, 0, np.nan, 1]]), np.array([0.5]), (10, 20))
    with pytest.raises(ModelError, match="not numbers"):
        in_picture(np.array([[0, 0, 1, 1]]), np.array([np.nan]), (10, 20))


def found(*rows):
    boxes, scores = np.array([row[:4] for row in rows], np.float32), np.array([row[4] for row in rows], np.float32)
    return Detections(boxes, scores)


def test_the_sure_boxes_come_best_first():
    boxes = found((0, 0, 4, 4, 0.3), (9, 9, 12, 12, 0.8), (20, 0, 24, 4, 0.2), (30, 0, 34, 4, 0.5))
    kept = choose(boxes, threshold=0.2, overlap=0.7, limit=9)
    np.testing.assert_allclose(kept.scores, [0.8, 0.5, 0.3])  # 0.2 is not above the threshold
    np.testing.assert_allclose(choose(boxes, threshold=0.0, overlap=0.7, limit=2).scores, [0.8, 0.5])
    assert choose(boxes, threshold=0.9, overlap=0.7, limit=2).boxes.shape == (0, 4)


def test_repeated_boxes_are_left_out():
    """Of two boxes of 100 pixels, 80 are shared: 80 / 120 = 0.667."""
    boxes = found((0, 0, 10, 10, 0.4), (2, 0, 12, 10, 0.9))
    assert len(choose(boxes, threshold=0.1, overlap=0.7, limit=9).boxes) == 2
    np.testing.assert_allclose(choose(boxes, threshold=0.1, overlap=0.6, limit=9).boxes, [[2, 0, 12, 10]])


def test_boxes_for_sam_are_those_of_its_own_processor(folders):
    processor = transformers.SamProcessor.from_pretrained(folders["sam"])
    boxes = [[3.0, 5.0, 60.0, 31.0], [0.0, 0.0, 100.0, 50.0]]
    picture = np.zeros((50, 100, 3), np.uint8)
    inputs = processor(images=picture, input_boxes=[boxes], return_tensors="pt")
    resized = tuple(inputs["reshaped_input_sizes"][0].tolist())
    assert resized == (32, 64)
    np.testing.assert_allclose(scale_boxes(np.array(boxes), (50, 100), resized), inputs["input_boxes"][0], atol=1e-5)
    np.testing.assert_allclose(scale_boxes(np.array(boxes[1:]), (50, 100), resized), [[0, 0, 64, 32]])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Red Cup", "red cup."),
        ("the red cup.", "the red cup."),
        ("where is the pan?", "where is the pan."),
        ("the cup. the pan ", "the cup. the pan."),
    ],
)
def test_prompts_of_grounding_dino(text, written):
    assert prompt(text) == written


class FakeDetector:
    """Sees fixed boxes whatever it is asked; the picture's number is its features."""

    name = "fake"
    threshold = 0.5

    def __init__(self, *seen):
        self.seen = seen

    def encode(self, images):
        return list(range(len(images)))

    def detect(self, features, texts):
        return [self.seen[number] for number in features]


class FakeSam:
    """Takes a box as its mask; remembers what it was asked."""

    name = "sam"

    def __init__(self):
        self.asked = []

    def encode(self, images):
        return [image.shape[:2] for image in images]

    def masks(self, features, boxes):
        self.asked.append(boxes.tolist())
        logits = np.full(features, -10, np.float32)
        for x0, y0, x1, y1 in boxes.astype(int):
            logits[y0:y1, x0:x1] = 5
        return logits


def test_an_expert_of_boxes_unites_what_is_sure_enough():
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    two = found((0, 0, 2, 2, 0.6), (3, 0, 4, 1, 0.9), (0, 3, 4, 4, 0.4))
    unsure = found((0, 0, 2, 2, 0.45))
    sam = FakeSam()
    expert = BoxedExpert(FakeDetector(two, unsure, nothing), sam)
    logits, presence = expert.predict(expert.encode([np.zeros((4, 4, 3), np.uint8)] * 3), ["a", "b", "c"])
    assert sam.asked == [[[3, 0, 4, 1], [0, 0, 2, 2]], [], []]
    np.testing.assert_array_equal(logits[0] > 0, [[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert all((empty == -10).all() for empty in logits[1:])
    np.testing.assert_allclose(presence, [0.9, 0.45, 0.0])
    assert presence.dtype == np.float32


def test_the_choice_of_boxes_can_be_changed():
    boxes = found((0, 0, 2, 2, 0.6), (3, 0, 4, 1, 0.9), (0, 3, 4, 4, 0.4))
    sam = FakeSam()
    for choice in (BoxChoice(threshold=0.3), BoxChoice(limit=1), BoxChoice(threshold=0.95)):
        expert = BoxedExpert(FakeDetector(boxes), sam, choice)
        expert.predict(expert.encode([np.zeros((4, 4, 3), np.uint8)]), ["a"])
    assert [len(boxes) for boxes in sam.asked] == [3, 1, 0]


@pytest.mark.parametrize("bad", [{"threshold": 1.5}, {"overlap": -0.1}, {"limit": 0}, {"threshold": float("nan")}])
def test_an_impossible_choice_is_refused(bad):
    with pytest.raises(OptionError, match=next(iter(bad))):
        BoxChoice(**bad)
