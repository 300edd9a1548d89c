import pytest
import torch
from torch.nn import functional as F

from ivm.core.errors import OptionError
from ivm.core.instruction import MAX_WORDS, check_instruction, token_batch
from ivm.models.nano.network import NanoConfig, NanoNetwork
from ivm.models.nano.predictor import MATCH_CHANNELS, SLOTS, SURE, ordered, steadied
from ivm.models.nano.weights import load_network, weights_file
from tiny_run import TINY_NETWORK

QUESTIONS = ["the red cup", "put the duck on the green plate, please"]


def build(**changes):
    """A small network with fixed random weights, ready to answer."""
    torch.manual_seed(0)
    return NanoNetwork(NanoConfig(**TINY_NETWORK | changes)).eval()


@pytest.fixture(scope="module")
def network():
    return build()


def picture(height=64, width=96, count=1):
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(1)).float()


def tokens(*questions):
    return torch.from_numpy(token_batch([check_instruction(question) for question in questions]))


@torch.no_grad()
def ask(network, image, *questions):
    return network(image, tokens(*questions), torch.zeros(len(questions), dtype=torch.int64))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 128), (192, 256), (160, 96)])
def test_answers_have_half_the_size_of_the_picture(network, height, width):
    logits, presence, features = ask(network, picture(height, width), *QUESTIONS)
    assert logits.shape == (2, height // 2, width // 2)
    assert presence.shape == (2,)
    assert logits.dtype == presence.dtype == torch.float32
    assert features.f4.shape == (1, 8, height // 4, width // 4)
    assert features.f8.shape == (1, 8, height // 8, width // 8)
    assert features.f16.shape == (1, 8, height // 16, width // 16)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(presence).all()


def test_words_that_pad_a_question_do_not_matter(network):
    alone = ask(network, picture(), "the red cup")
    padded = ask(network, picture(), "the red cup", "word " * MAX_WORDS)
    torch.testing.assert_close(padded[0][:1], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(padded[1][:1], alone[1], atol=1e-5, rtol=0)


@torch.no_grad()
def test_encoding_once_is_asking_as_a_whole(network):
    image, asked = picture(count=2), tokens(*QUESTIONS, "the pan")
    of = torch.tensor([0, 1, 1])
    logits, presence, _ = network(image, asked, of)
    features = network.encoder(image)
    for i, number in enumerate(of):
        one = network.predictor(*(f[number : number + 1] for f in features), asked[i : i + 1])
        torch.testing.assert_close(one[0][0], logits[i], atol=1e-5, rtol=0)
        torch.testing.assert_close(one[1][0], presence[i], atol=1e-5, rtol=0)


def test_pictures_of_a_batch_do_not_touch_each_other(network):
    image = picture(count=2)
    alone = network.encoder(image[1:])
    for one, both in zip(alone, network.encoder(image), strict=True):
        torch.testing.assert_close(one[0], both[1], atol=1e-4, rtol=0)


def test_the_answer_depends_on_the_question_on_its_order_and_on_the_picture(network):
    logits = ask(network, picture(), "cup on plate", "plate on cup", "the duck")[0]
    assert not torch.allclose(logits[0], logits[1], atol=1e-6)
    assert not torch.allclose(logits[0], logits[2], atol=1e-6)
    assert not torch.allclose(ask(network, picture() / 2, "the duck")[0][0], logits[2], atol=1e-6)


@torch.no_grad()
def test_the_answer_knows_left_from_right(network):
    """On a picture of one colour only the place can make a difference."""
    features = network.encoder(torch.full((1, 3, 64, 64), 90.0))
    flat = [f.mean(dim=(2, 3), keepdim=True).expand_as(f) for f in features]
    logits = network.predictor(*flat, tokens("the left cup"))[0][0]
    assert not torch.allclose(logits, logits.flip(1), atol=1e-6)
    assert not torch.allclose(logits, logits.flip(0), atol=1e-6)


@pytest.mark.parametrize(
    "question",
    ["xyzzy plugh", "красная чашка", "红色的杯子", "الكوب الأحمر", "a 🦆", "7", "ß", "a" * 10_000, "word " * MAX_WORDS],
    ids=lambda text: text[:12],
)
def test_any_words_of_any_language_are_answered(network, question):
    logits, presence, _ = ask(network, picture(), question)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(presence).all()


def test_the_network_that_ships_is_small():
    network = NanoNetwork(NanoConfig())
    assert sum(p.numel() for p in network.parameters()) < 8_000_000


def test_every_place_has_a_kind_and_a_color():
    features = build(kinds=5, colors=3).encoder(picture())
    assert features.kinds.shape == (1, 5, 8, 12)
    assert features.colors.shape == (1, 3, 8, 12)


@torch.no_grad()
def test_what_matches_is_both_of_the_kind_and_of_the_color():
    """Asked for kind 1 and colour 2, a place that has both matches, and one that has either does not."""
    match = build(kinds=2, colors=3).predictor.match
    for head, wanted in ((match.kinds, [-30.0, 30]), (match.colors, [-30.0, -30, 30])):
        head.weight.zero_()
        head.bias.copy_(torch.tensor(wanted))
    kinds = torch.tensor([[0.0, 0, 30], [30, 30, 0]])[None, :, None]
    colors = torch.tensor([[0.0, 30, 0], [0, 0, 0], [30, 0, 30]])[None, :, None]
    shown = match(kinds, colors, torch.zeros(1, 1, 16), torch.zeros(1, 1))
    kind, color, both, *_ = shown.unflatten(1, (-1, SLOTS))[0]
    close = {"atol": 1e-5, "rtol": 0}
    torch.testing.assert_close(kind[0, 0], torch.tensor([1.0, 1, 0]), **close)
    torch.testing.assert_close(color[0, 0], torch.tensor([1.0, 0, 1]), **close)
    torch.testing.assert_close(both[0, 0], torch.tensor([1.0, 0, 0]), **close)


def test_names_of_parameters_are_those_of_the_weights_that_ship():
    """A renamed part would no longer load."""
    names = {name.rsplit(".", 1)[0] for name, _ in build(kinds=5, colors=3).named_parameters()}
    parts = {".".join(name.split(".")[:2]) for name in names}
    assert parts == {
        "encoder.trunk", "encoder.lateral", "encoder.down", "encoder.merge", "encoder.raw", "encoder.paint",
        "encoder.classes", "encoder.semantic", "encoder.kinds", "encoder.colors",
        "predictor.text", "predictor.film", "predictor.match", "predictor.place", "predictor.matched",
        "predictor.words", "predictor.pixels", "predictor.norms", "predictor.mix", "predictor.down",
        "predictor.logits", "predictor.presence",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ({"widths": (8, 8, 8)}, "widths"),
        ({"widths": 8}, "widths"),
        ({"blocks": (1, 1, 1, 1, 1, 1, 0)}, "blocks"),
        ({"blocks": (1, 1, 1, 1, 1, 1, True)}, "blocks"),
        ({"decoder": (8, 8, "8")}, "decoder"),
        ({"decoder": (8, 8, 6)}, "decoder"),
        ({"text_width": 0}, "text_width"),
        ({"kinds": 0}, "kinds"),
        ({"text_width": 18}, "text_width"),
        ({"text_layers": 1.5}, "text_layers"),
    ],
)
def test_impossible_sizes_are_refused_at_birth(sizes, name):
    with pytest.raises(OptionError, match=name):
        NanoConfig(**sizes)


def test_lists_are_as_good_as_tuples():
    assert NanoConfig(widths=[8] * 7) == NanoConfig(widths=(8,) * 7)


def test_where_a_match_stands_among_others():
    """Two large things, a small one to the right and above: what counts is their order, not their place."""
    match = torch.zeros(1, 1, 40, 80)
    match[..., 4:8, 66:70] = 1
    match[..., 20:30, 38:48] = 1
    match[..., 28:38, 50:60] = 0.9
    column, row, size = ordered(match)[0, :, 0]
    small, first, second = (5, 67), (25, 43), (33, 55)
    assert column[first] < -0.4 < 0.2 < column[second] < 0.8 < column[small]
    assert row[small] < -0.8 < row[first] < row[second]
    assert size[small] < -0.5
    assert size[first] > 0.9
    hazy = ordered(match.clamp(min=0.05))[0, 0, 0]
    torch.testing.assert_close(hazy, column, atol=0.1, rtol=0)


def test_nothing_that_matches_has_an_order_without_numbers_that_are_none():
    assert torch.isfinite(ordered(torch.zeros(1, 2, 8, 8))).all()


def test_weights_from_before_matches_were_ordered_answer_as_they_did(network, tmp_path):
    older = build(kinds=5, colors=3)
    kept = 4 * MATCH_CHANNELS // 7
    with torch.no_grad():
        for layer in (older.predictor.place, older.predictor.matched):
            layer.weight[:, layer.in_channels - MATCH_CHANNELS + kept :] = 0
    file = tmp_path / "older.safetensors"
    new = load_network(file_of(older, file))
    assert torch.equal(new.predictor.matched.weight, older.half().float().predictor.matched.weight)

    narrow = NanoNetwork(older.config)
    narrow.load_state_dict(older.state_dict())
    for layer in (narrow.predictor.place, narrow.predictor.matched):
        layer.weight = torch.nn.Parameter(layer.weight[:, : layer.in_channels - MATCH_CHANNELS + kept])
    del narrow.predictor.match.orders
    loaded = load_network(file_of(narrow, file))
    for told, meant in zip(ask(loaded, picture(), *QUESTIONS)[:2], ask(new, picture(), *QUESTIONS)[:2], strict=True):
        torch.testing.assert_close(told, meant)


def file_of(network, path):
    path.write_bytes(weights_file(network))
    return path


def fours(logits):
    """The logits of a map (N, H, W) as `steadied` takes them, 2 x 2 at a place."""
    return F.pixel_unshuffle(logits[:, None], 2)


def held_of(logits):
    return F.pixel_shuffle(steadied(fours(logits)), 2)[:, 0]


def test_a_lone_sure_place_is_held_to_its_surroundings():
    logits = torch.full((1, 16, 16), -4.0)
    logits[0, 8, 8] = 9.0
    logits[0, 2, 2] = 1.5
    held = held_of(logits)
    assert held[0, 8, 8] == SURE
    logits[0, 8, 8] = SURE
    assert torch.equal(held, logits), "all others stay"


def test_a_heatmap_is_highest_inside_and_not_at_a_rim():
    logits = torch.full((1, 24, 24), -8.0)
    logits[0, 6:18, 6:18] = 6.0
    logits[0, 6, 10] = 7.0  # by chance
    held = held_of(logits)
    row, column = divmod(int(held.argmax()), 24)
    assert 8 <= row < 16
    assert 8 <= column < 16
    assert torch.equal(held > 0, logits > 0), "the mask stays"


def test_training_sees_logits_as_they_are(network):
    image, asked = picture(), tokens(*QUESTIONS)
    features = [x.expand(2, *x.shape[1:]) for x in network.encoder(image)]
    with torch.no_grad():
        network.predictor.logits.bias += 20  # sure everywhere
        try:
            answers = network.predictor(*features, asked)[0]
            network.predictor.train()
            for part in network.predictor.modules():
                if isinstance(part, torch.nn.BatchNorm2d):
                    part.eval()
            raw = network.predictor(*features, asked)[0]
        finally:
            network.predictor.logits.bias -= 20
            network.eval()
    torch.testing.assert_close(held_of(raw), answers)
    assert not torch.equal(raw, answers)
