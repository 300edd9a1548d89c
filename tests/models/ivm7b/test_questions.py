"""What is cached must be what is computed: against one plain pass through LLaVA with the whole prompt."""

import numpy as np
import pytest
import torch

from ivm.core.errors import ModelError
from ivm.core.model import MaskModel
from ivm.models.ivm7b import model as model_module
from ivm.models.ivm7b.reading import sam_pixels, squashed

QUESTIONS = ["pick up the red cup", "where can i sit ?", "put the duck on the green plate left of the blue pan", "cup"]
CLOSE = {"atol": 1e-4, "rtol": 0}


@torch.no_grad()
def plain_logits(model, pairs):
    """The whole prompt of each pair, in one batch padded on the left, through LLaVA as transformers runs it."""
    network, reader = model.network, model.reader
    squares = [squashed(picture, network.config.sam["image_size"]) for picture, _ in pairs]
    pixels = torch.cat([reader.pixels(square) for square in squares])
    count = len(network.image_tokens(pixels[:1]))
    rows = [
        [*reader.prefix_ids, *[reader.image_token_id] * count, *reader.suffix_ids(question)] for _, question in pairs
    ]
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    places = (mask.cumsum(1) - 1).clamp(min=0)
    hidden = network.llava(input_ids=ids, pixel_values=pixels, attention_mask=mask, position_ids=places)
    features = network.image_encoder(torch.cat([sam_pixels(square) for square in squares])).last_hidden_state
    return network.decoder(features, network.projector(hidden.last_hidden_state[:, -2])).numpy()


def test_it_is_a_mask_model(load):
    assert isinstance(load(), MaskModel)


@pytest.mark.parametrize("rows", [1, 4])
def test_questions_on_one_picture(load, pictures, rows):
    model = load()
    wanted = plain_logits(model, [(pictures[0], question) for question in QUESTIONS[:rows]])
    logits, presence = model.predict(model.encode(pictures[:1]) * rows, QUESTIONS[:rows])
    assert {(one.shape, one.dtype) for one in logits} == {((32, 32), np.dtype(np.float32))}
    assert presence.dtype == np.float32
    np.testing.assert_allclose(logits, wanted, **CLOSE)
    np.testing.assert_allclose(presence, 1 / (1 + np.exp(-wanted.max(axis=(1, 2)))), **CLOSE)


def test_the_questions_and_the_picture_matter(load, pictures):
    model = load()
    first, second = model.encode(pictures[:2])
    logits = model.predict([first, first, second], [QUESTIONS[0], QUESTIONS[1], QUESTIONS[0]]).logits
    assert np.abs(logits[0] - logits[1]).max() > 1e-2
    assert np.abs(logits[0] - logits[2]).max() > 1e-2


def test_several_pictures_in_one_batch(load, pictures):
    model = load()
    features = model.encode(pictures)
    assert [one.prefix is None for one in features] == [False] * 4 + [True]
    order = [4, 0, 0, 3, 1, 2]
    asked = [QUESTIONS[place % 4] for place in order]
    wanted = plain_logits(model, [(pictures[place], question) for place, question in zip(order, asked, strict=True)])
    np.testing.assert_allclose(model.predict([features[i] for i in order], asked).logits, wanted, **CLOSE)


def test_more_questions_than_go_through_at_once(load, pictures):
    model = load()
    features = model.encode(pictures[:1])
    asked = [QUESTIONS[i % 4] for i in range(2 * model_module.MAX_ROWS + 1)]
    logits = model.predict(features * len(asked), asked).logits
    np.testing.assert_allclose(logits[32], model.predict(features, asked[:1]).logits[0], **CLOSE)
    np.testing.assert_allclose(logits[17], model.predict(features, asked[1:2]).logits[0], **CLOSE)


def test_no_question_is_answered_with_nothing(load):
    logits, presence = load().predict([], [])
    assert len(logits) == 0
    assert presence.shape == (0,)


def test_asking_leaves_the_picture_as_it_was(load, pictures):
    model = load()
    features = model.encode(pictures[:1])
    before = [tuple(map(torch.clone, pair)) for pair in features[0].prefix.layers]
    first = model.predict(features * 2, QUESTIONS[:2]).logits
    np.testing.assert_array_equal(model.predict(features * 2, QUESTIONS[:2]).logits, first)
    for pair, kept in zip(features[0].prefix.layers, before, strict=True):
        assert all(map(torch.equal, pair, kept))


def test_the_token_of_the_picture_is_no_word(load, pictures):
    model = load()
    features = model.encode(pictures[:1])
    logits = model.predict(features * 2, ["the <image> cup", "the image cup"]).logits
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)


def test_running_out_of_memory_is_told(load, pictures):
    model = load()

    class Full(torch.nn.Module):
        def forward(self, **_):
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.network.image_encoder = Full()
    with pytest.raises(ModelError, match="ran out of memory"):
        model.encode(pictures[:1])
