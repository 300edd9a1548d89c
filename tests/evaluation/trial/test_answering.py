"""Ranking of options, and a model of transformers as an answerer."""

import math

import numpy as np
import pytest

from ivm.core.errors import FetchError, LmmAnswerError, UnknownModelError
from ivm.evaluation.trial.answering import ranking
from ivm.evaluation.trial.local import LocalAnswerer

torch = pytest.importorskip("torch", reason="the extra [full] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [full] is not installed")

WORDS = ["A", "B", " B", "(A", "the", "dog"]


def test_the_tokens_of_a_letter_are_summed_up():
    half = math.log(0.5)
    found = ranking({" A": half, "(A": half, "B": half, "The": 0.0, "AB": 0.0, "C": half}, "AB")
    assert found == pytest.approx({"A": 0.0, "B": half})
    assert ranking({"the": 0.0}, "AB") == {}


class Processor:
    """Turns a message into numbers: how many pictures it has, and its number of letters."""

    def apply_chat_template(self, conversations, *, add_generation_prompt, tokenize, return_dict, return_tensors):
        parts = conversations[0]["content"]
        pictures = [part["image"] for part in parts if part["type"] == "image"]
        assert all(one.mode == "RGB" for one in pictures)
        if "fail" in parts[-1]["text"]:
            raise ValueError("too many pictures\nfor this model")
        ids = torch.tensor([[len(pictures), len(parts[-1]["text"])]])
        pixels = torch.ones(len(pictures), 3, 2, 2)
        return transformers.BatchFeature({"input_ids": ids, "pixel_values": pixels})

    def decode(self, ids, skip_special_tokens=False):
        return "".join(WORDS[int(one)] for one in ids)


class Model(torch.nn.Module):
    """Says "B", and finds it likelier than "A"."""

    dtype = torch.bfloat16
    device = torch.device("cpu")

    def generate(self, input_ids, pixel_values, *, do_sample, max_new_tokens):
        assert pixel_values.dtype == self.dtype
        assert not do_sample
        return torch.cat([input_ids, torch.tensor([[1]])], 1)

    def forward(self, input_ids, pixel_values):
        logits = torch.tensor([0.5, 0.4, 0.45, 0.1, 3.0, 0.0])
        return transformers.modeling_outputs.CausalLMOutput(logits=logits.expand(1, 2, 6))


@pytest.fixture
def local():
    return LocalAnswerer(Model(), Processor(), name="tiny", max_tokens=3)


def test_it_answers_in_words_and_by_likelihood(local):
    picture = np.zeros((4, 4, 3), np.uint8)
    said = local.ask([picture, picture], "What?")
    assert (said.text, said.prompt_tokens, said.completion_tokens, said.ranked) == ("B", 2, 1, None)
    ranked = local.ask([picture], "What?", letters="AB").ranked
    assert set(ranked) == {"A", "B"}
    assert ranked["B"] > ranked["A"], "both spellings of B together"
    assert local.about["model"] == "tiny"


def test_what_a_model_cannot_do_is_told(local):
    with pytest.raises(LmmAnswerError, match=r"too many pictures$"):
        local.ask([np.zeros((4, 4, 3), np.uint8)], "fail")


def test_a_folder_without_a_model_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises((FetchError, UnknownModelError), match=str(tmp_path)):
        LocalAnswerer.load(str(tmp_path))
