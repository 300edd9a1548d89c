"""Paired statistics by hand, against scipy, and at the level that they state."""

import numpy as np
import pytest

from ivm.evaluation.outcome.paired import compare, holm, mcnemar, sign_flips

stats = pytest.importorskip("scipy.stats", reason="the extra [eval] is not installed")


def test_the_mid_p_value_by_hand():
    # 5 changes, all one way: exact p is 2/32, half of the probability of what was seen is taken off.
    assert float(mcnemar(5, 0)) == pytest.approx(2 / 32 - 1 / 32, abs=1e-9)
    # 3 of 4: P(X <= 1) = 5/16, P(X = 1) = 4/16.
    assert float(mcnemar(3, 1)) == pytest.approx(2 * 5 / 16 - 4 / 16, abs=1e-9)
    assert float(mcnemar(4, 4)) == 1
    assert float(mcnemar(0, 0)) == 1


def test_it_is_scipys_exact_test_less_half_a_step():
    for helped, hurt in [(9, 2), (2, 9), (30, 12), (1, 0)]:
        exact = stats.binomtest(helped, helped + hurt).pvalue
        step = stats.binom.pmf(min(helped, hurt), helped + hurt, 0.5)
        assert float(mcnemar(helped, hurt)) == pytest.approx(exact - step, abs=1e-9)


def test_sign_flips_by_hand():
    # Of the 8 signs of three equal gains two are as far from 0 as what was seen.
    assert sign_flips(np.array([1.0, 1.0, 1.0]), ["a", "b", "c"]) == pytest.approx(2 / 8, abs=1e-9)
    assert sign_flips(np.array([1.0, 1.0, 1.0, 0.0]), ["a", "a", "b", "c"]) == pytest.approx(2 / 4, abs=1e-9)
    assert sign_flips(np.zeros(4), list("abcd")) == 1
    assert sign_flips(np.ones(4), list("aaaa")) == 1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_comparison_by_hand():
    first = {"a": 0.0, "b": 0.0, "c": 1.0, "d": 1.0, "only first": 1.0}
    second = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0}
    one = compare(first, second, {name: name for name in first}, names=("raw", "highlight"))
    assert (one.questions, one.helped, one.hurt, one.unchanged) == (4, 2, 1, 1)
    assert (one.first_mean, one.second_mean, one.difference.mean) == (0.5, 0.75, 0.25)
    assert one.p == one.mcnemar_p == pytest.approx(float(mcnemar(2, 1)))
    assert one.test == "McNemar, mid-p"
    assert compare({"a": 1.0}, {"b": 1.0}, {}, names=("x", "y")) is None


def test_questions_that_share_a_picture_are_not_taken_for_independent():
    names = [f"{picture}{n}" for picture in "abc" for n in range(10)]
    first, second = dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)
    one = compare(first, second, {name: name[0] for name in names}, names=("x", "y"))
    assert one.mcnemar_p < 1e-6
    assert one.p == one.permutation_p == pytest.approx(2 / 8)
    assert one.test == "sign flips by picture"


def test_parts_of_a_point_have_no_mcnemar():
    one = compare({"a": 0.3, "b": 0.0}, {"a": 0.6, "b": 0.0}, {"a": "a", "b": "b"}, names=("x", "y"))
    assert one.mcnemar_p is None
    assert one.p == one.permutation_p


def test_a_model_that_does_not_look_shows_an_effect_as_rarely_as_stated():
    """200 null experiments of V*Bench's size: 5 % +- 3 of them may come out below 0.05."""
    rng = np.random.default_rng(2026)
    experiments, questions = 200, 191
    # A null LMM guesses anew in each arm, whatever it is shown; a fourth of the answers is right.
    raw, masked = rng.random((2, experiments, questions)) < 0.25
    helped, hurt = (masked & ~raw).sum(1), (raw & ~masked).sum(1)
    false_alarms = float((mcnemar(helped, hurt) < 0.05).mean())
    assert 0.02 <= false_alarms <= 0.08
    flips = [
        sign_flips((m.astype(float) - r), range(questions), seed=n)
        for n, (r, m) in enumerate(zip(raw[:20], masked[:20], strict=True))
    ]
    assert np.allclose(flips, mcnemar(helped, hurt)[:20], atol=0.12), "both tests ask the same"
