"""Controls on masks small enough to read."""

from pathlib import Path

import numpy as np
import pytest

from ivm.evaluation.suites.item import FilePicture, HeldPicture, VisualQuestion
from ivm.evaluation.trial.masking import other_instructions
from ivm.evaluation.trial.pictures import boxes_mask, large_enough, matched, moved, shown, with_mask
from ivm.evaluation.trial.variants import VIEWS
from ivm.masking import MaskResult


def question(name, picture="a.jpg"):
    return VisualQuestion(
        id=name,
        category="c",
        picture=FilePicture(Path(picture)),
        question=f"what is {name}?",
        answers=("yes",),
        scoring="yes-no",
    )


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    mask = np.zeros((60, 80), np.bool_)
    mask[20:30, 40:60] = True
    return MaskResult.from_heatmap(image, mask, dilate_kernel_size=5)


def test_a_mask_moves_whole_and_to_a_place_of_its_own_for_each_question():
    mask = np.zeros((20, 30), np.bool_)
    mask[2:5, 3:5] = mask[4:6, 4:9] = True
    places = set()
    for number in range(30):
        away = moved(mask, question(str(number)), seed=0)
        assert away.sum() == mask.sum(), "equal area"
        rows, columns = np.nonzero(away)
        top, left = int(rows.min()), int(columns.min())
        assert np.array_equal(away[top : top + 4, left : left + 6], mask[2:6, 3:9]), "equal form"
        places.add((top, left))
        assert np.array_equal(away, moved(mask, question(str(number)), seed=0))
    assert len(places) > 20


def test_a_mask_without_a_pixel_or_of_all_pixels_stays():
    for mask in (np.zeros((4, 5), np.bool_), np.ones((4, 5), np.bool_)):
        assert np.array_equal(moved(mask, question("a"), 0), mask)


def test_boxes_are_cut_at_the_border():
    mask = boxes_mask(((-3, -2, 2, 1), (3, 1, 9, 9)), 3, 5)
    assert mask.astype(int).tolist() == [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]


def test_a_result_with_another_mask_keeps_picture_and_style(result):
    other = np.zeros((60, 80), np.bool_)
    other[0:5, 0:5] = True
    made = with_mask(result, other)
    assert made.style == result.style
    assert made.target_bbox == (0, 0, 5, 5)
    assert with_mask(result, np.zeros_like(other)).kept_whole


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_what_is_kept_and_hides_the_rest(result, view):
    pictures = shown(view, result)
    assert all((one.dtype == np.uint8 and min(one.shape[:2]) >= 32) or "crop" not in view for one in pictures)
    if view in ("raw", "crop", "original+crop"):
        return
    if "crop" in view:
        assert pictures[0].shape[0] < 60
        return
    assert np.array_equal(pictures[0][25, 50], result.image[25, 50])
    assert not np.array_equal(pictures[0][:10], result.image[:10])


def test_a_matched_picture_has_the_views_pixels():
    image = np.zeros((300, 400, 3), np.uint8)
    assert matched(image, [image[:150, :200]]).shape == (150, 200, 3)
    both = matched(image, [image, image])
    assert both.shape[0] * both.shape[1] == pytest.approx(2 * 300 * 400, rel=0.01)


def test_a_tiny_crop_is_enlarged():
    assert large_enough(np.zeros((4, 10, 3), np.uint8)).shape == (32, 80, 3)


def test_shuffled_questions_are_about_other_pictures():
    asked = [question(str(n), f"{n // 2}.jpg") for n in range(10)]
    others = other_instructions(asked, seed=1)
    for one, other in zip(asked, others, strict=True):
        (whose,) = [q for q in asked if q.question == other]
        assert whose.picture.key != one.picture.key
    assert others == other_instructions(asked, seed=1)
    assert others != other_instructions(asked, seed=2)
    assert other_instructions([question("0")], 0) == ["what is 0?"]


def test_a_held_picture_is_its_bytes():
    assert HeldPicture("a", b"x").read() == b"x"
