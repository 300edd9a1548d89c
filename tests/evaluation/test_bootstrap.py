import numpy as np
import pytest

from ivm.evaluation.bootstrap import Estimate, cluster_bootstrap


def test_the_mean_weighs_every_question_the_same():
    assert cluster_bootstrap([1, 0, 0, 0.5], ["a", "b", "b", "b"]).mean == 1.5 / 4


def test_two_pictures_give_the_four_draws_there_are():
    # (a, a), (a, b), (b, a), (b, b) are equally likely: means 1, 1/2, 1/2, 0; a quarter of the mass at each end.
    assert cluster_bootstrap([1, 1, 0, 0], ["a", "a", "b", "b"], confidence=0.6) == Estimate(0.5, 0.0, 1.0)
    assert cluster_bootstrap([1, 1, 0, 0], ["a", "a", "b", "b"], confidence=0.4) == Estimate(0.5, 0.5, 0.5)


def test_questions_of_one_picture_do_not_count_as_independent():
    rng = np.random.default_rng(1)
    of_picture = rng.random(20)
    values = np.repeat(of_picture, 10).tolist()
    by_picture = cluster_bootstrap(values, np.repeat(np.arange(20), 10).tolist())
    by_question = cluster_bootstrap(values, list(range(200)))
    assert by_picture.high - by_picture.low > 2.5 * (by_question.high - by_question.low)
    # With one question a picture it is the usual interval of a mean, 1.96 standard errors each way.
    usual = 2 * 1.96 * np.std(values) / np.sqrt(200)
    assert by_question.high - by_question.low == pytest.approx(usual, rel=0.05)


def test_the_same_input_gives_the_same_interval():
    values, groups = [0.1, 0.5, 0.9, 0.4], [1, 2, 3, 4]
    assert cluster_bootstrap(values, groups) == cluster_bootstrap(values, groups)


def test_one_picture_supports_no_interval():
    estimate = cluster_bootstrap([0.25, 0.75], ["a", "a"])
    assert estimate == Estimate(0.5, None, None)
    assert str(estimate) == "0.500 [one picture, no interval]"


def test_an_estimate_reads_as_mean_and_interval():
    assert str(Estimate(0.9123, 0.8706, 0.9444)) == "0.912 [0.871, 0.944]"


@pytest.mark.parametrize(
    ("values", "groups", "options"),
    [([], [], {}), ([1.0], ["a", "b"], {}), ([1.0], ["a"], {"confidence": 1}), ([1.0], ["a"], {"resamples": 0})],
)
def test_what_has_no_mean_is_refused(values, groups, options):
    with pytest.raises(ValueError, match="Expected"):
        cluster_bootstrap(values, groups, **options)
