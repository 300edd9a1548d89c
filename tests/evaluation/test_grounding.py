import pytest

from ivm.core.errors import OptionError, ThresholdError
from ivm.evaluation.grounding import Grounding, Means, answer_all
from ivm.evaluation.objects import read_objects


@pytest.fixture
def scores(masker, folder):
    return [answered.score for answered in answer_all(masker, read_objects(folder))]


def test_every_object_is_asked_in_every_phrase(scores):
    assert [score.instruction for score in scores] == [
        "the red bar",
        "pick up the red bar",
        "the green bar",
        "pick up the green bar",
        "the red bar",
        "pick up the red bar",
    ]


def test_the_scores_are_those_that_the_picture_shows(scores):
    # "pick up" shows the upper half of the picture: half of the red bar in a, all of the green one, nothing in b.
    assert [score.iou for score in scores] == [1, 0.5, 1, 1, 1, 0]
    # Where nothing is shown the heatmap is flat: the bar covers 12 of 48 pixels.
    assert [score.hit for score in scores] == [1, 1, 1, 1, 1, 12 / 48]
    assert [score.found for score in scores] == [1, 1, 1, 1, 1, 0]


def test_each_picture_is_encoded_once_however_objects_are_ordered(masker, model, folder):
    red_a, green_a, red_b = read_objects(folder)
    names = [answered.score.image.name for answered in answer_all(masker, [red_a, red_b, green_a])]
    assert names == ["a.png"] * 4 + ["b.png"] * 2
    assert model.encoded == 2


def test_a_higher_threshold_keeps_less(masker, folder):
    # The model's heatmap is sigmoid(4) = 0.982 on the bar.
    assert [a.score.iou for a in answer_all(masker, read_objects(folder), phrases=["{}"], threshold=0.99)] == [0, 0, 0]


def test_the_answers_come_with_what_they_were_computed_from(masker, folder):
    answered = next(answer_all(masker, read_objects(folder)))
    assert answered.image.shape == (8, 6, 3)
    assert ((answered.soft > 0.5) == answered.truth).all()


@pytest.mark.parametrize("phrases", [[], ["the cup"], ["{}", "pick up"]])
def test_a_phrase_needs_a_place_for_the_name(masker, folder, phrases):
    with pytest.raises(OptionError, match=r"must hold \{\}"):
        list(answer_all(masker, read_objects(folder), phrases=phrases))


def test_a_threshold_outside_its_range_is_refused(masker, folder):
    with pytest.raises(ThresholdError):
        list(answer_all(masker, read_objects(folder), threshold=1.5))


def test_the_means_weigh_questions_and_resample_pictures(scores):
    result = Grounding(tuple(scores))
    assert result.pictures == 2
    assert result.iou.mean == 4.5 / 6
    assert result.pointing.mean == pytest.approx(5.25 / 6)
    assert result.found.mean == pytest.approx(5 / 6)
    # Two pictures, drawn with replacement: the extremes are one of them twice.
    assert (result.iou.low, result.iou.high) == (0.5, 3.5 / 4)


def test_tables_begin_with_the_worst(scores):
    result = Grounding(tuple(scores))
    assert result.by("name") == [
        Means(label="the red bar", questions=4, hit=3.25 / 4, iou=2.5 / 4, found=3 / 4),
        Means(label="the green bar", questions=2, hit=1, iou=1, found=1),
    ]
    assert [(row.label, row.iou) for row in result.by("phrase")] == [("pick up {}", 0.5), ("{}", 1)]


def test_nothing_can_be_said_of_no_score():
    with pytest.raises(ValueError, match="at least one"):
        Grounding(())
