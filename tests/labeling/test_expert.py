"""Experts of any kind are asked for phrases, and one bad picture spoils nothing."""

from __future__ import annotations

import numpy as np
import pytest

from fake_models import FailsOn, RedModel
from ivm.core.errors import IvmError, OptionError
from ivm.labeling.expert import LARGEST_LOGIT, Expert, ExpertSpec
from labeling_tasks import square


def expert(make=RedModel, **options) -> Expert:
    return Expert.load(ExpertSpec(name="red", make=make, **options))


def test_a_picture_is_encoded_once_for_all_phrases():
    one = expert(batch=2)
    said = one.opinions([(square(number=number), ["the red square", "nothing"]) for number in range(3)])
    assert one.model.encoded == [2, 1]
    assert [len(opinions) for opinions in said] == [2, 2, 2]
    assert said[0][0].presence == pytest.approx(0.9)
    assert said[0][1].presence == pytest.approx(0.1)
    assert said[0][0].logits.dtype == np.float16
    assert (said[0][0].logits > 0).sum() == 256
    assert one.model_s > 0


def test_one_that_fails_is_found_out_and_the_others_lose_nothing():
    said = expert(FailsOn, batch=4).opinions([(square(), ["red"]), (square(), ["poison"]), (square(), ["red"])])
    assert [isinstance(one, IvmError) for one in said] == [False, True, False]


def test_logits_beyond_all_measure_are_bounded():
    class Wild(RedModel):
        def encode(self, images):
            return [np.full((2, 2), 1e9, np.float32) for _ in images]

    assert expert(Wild).opinions([(square(), ["red"])])[0][0].logits.max() == LARGEST_LOGIT


@pytest.mark.parametrize(
    "options", [{}, {"model": "a", "make": RedModel}, {"model": "a", "workers": 0}, {"model": "a", "batch": 0}]
)
def test_an_impossible_expert_is_named(options):
    with pytest.raises(OptionError, match="'odd' needs"):
        ExpertSpec(name="odd", **options)
