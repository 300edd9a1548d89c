import pytest
import torch
from torch import tensor

from ivm.core.errors import OptionError
from ivm.training.losses import mask_losses, weighted_mean
from ivm.training.weighting import WEIGHTINGS, Labels, make_weighting

HUMAN = tensor([1.0, 1.0, 0.0, 0.0])
GIVEN = tensor([1.0, 2.0, 1.0, 0.5])
VERDICT = tensor([4.0, 0.0, 0.0, -4.0], requires_grad=True)  # 0.982, 0.5, 0.5, 0.018
LABELS = Labels(HUMAN, GIVEN, VERDICT)

EXPECTED = {
    "uniform": ({}, [1, 2, 1, 0.5]),
    "human-only": ({}, [1, 2, 0, 0]),
    "fixed": ({}, [1, 2, 0.2, 0.1]),
    "fixed as told": ({"kind": "fixed", "human": 3, "machine": 1}, [3, 6, 1, 0.5]),
    "filtered": ({}, [1, 2, 1, 0]),
    "filtered hard": ({"kind": "filtered", "least": 0.6}, [1, 2, 0, 0]),
    "dwsl": ({}, [0.9, 1.0, 0.5, 0.05]),
    "dwsl as told": ({"kind": "dwsl", "low": 0, "high": 1}, [0.98201376, 1.0, 0.5, 0.00899310]),
    "dwsl trusting": ({"kind": "dwsl", "trust_humans": True}, [0.9, 1.8, 0.5, 0.05]),
}


@pytest.mark.parametrize(("name", "case"), EXPECTED.items(), ids=EXPECTED)
def test_each_weighting_by_hand(name, case):
    options, expected = case
    weights = make_weighting({"kind": name} | options).weights(LABELS)
    assert not weights.requires_grad
    torch.testing.assert_close(weights, tensor(expected, dtype=torch.float32))


def test_every_weighting_is_tested():
    assert {options.get("kind", name) for name, (options, _) in EXPECTED.items()} == set(WEIGHTINGS)


@pytest.mark.parametrize("name", ["filtered", "dwsl"])
def test_a_discriminator_must_have_spoken(name):
    with pytest.raises(ValueError, match="verdict"):
        make_weighting({"kind": name}).weights(Labels(HUMAN, GIVEN))


@pytest.mark.parametrize("verdict", [VERDICT[:, None], VERDICT[:3]])
def test_labels_of_another_shape_are_no_labels(verdict):
    with pytest.raises(ValueError, match="one shape"):
        make_weighting({"kind": "dwsl"}).weights(Labels(HUMAN, GIVEN, verdict))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "best"}, "best"),
        ({"kind": "uniform", "low": 0}, "knows no low"),
        ({"kind": "dwsl", "low": 0.9, "high": 0.1}, "high"),
        ({"kind": "dwsl", "low": -1}, "low"),
        ({"kind": "dwsl", "low": "0.1"}, "low"),
        ({"kind": "dwsl", "trust_humans": 1}, "trust_humans"),
        ({"kind": "filtered", "least": 2}, "least"),
        ({"kind": "fixed", "machine": -1}, "machine"),
    ],
)
def test_an_impossible_option_is_named(options, words):
    with pytest.raises(OptionError, match=words):
        make_weighting(options)


def test_weights_multiply_each_sample_and_not_the_mean():
    """Losses 1 and 3 with weights 0.9 and 0.1: mean(w * l) = 0.6, where mean(w) * mean(l) would be 1."""
    losses = tensor([1.0, 3.0], requires_grad=True)
    weights = tensor([0.9, 0.1], requires_grad=True)
    mean = weighted_mean(losses, weights)
    assert mean.item() == pytest.approx((0.9 * 1 + 0.1 * 3) / 2)
    mean.backward()
    torch.testing.assert_close(losses.grad, tensor([0.45, 0.05]))
    assert weights.grad is None
    assert weighted_mean(losses, weights, tensor([1.0, 0.0])).item() == pytest.approx(0.9)
    assert weighted_mean(losses, weights, tensor([0.0, 0.0])).item() == 0


@pytest.mark.parametrize("weights", [tensor([[0.9], [0.1]]), tensor(1.0), tensor([1.0])])
def test_weights_that_would_broadcast_are_refused(weights):
    with pytest.raises(ValueError, match="one shape"):
        weighted_mean(tensor([1.0, 3.0]), weights)


def test_the_weighted_objective_by_hand():
    """Two one-pixel samples, p = 1/2: cross-entropy ln 2 and Dice 1 - (2 p t + 1) / (p + t + 1) = 1 - 2 / 2.5."""
    logits, target = torch.zeros(2, 1, 1), torch.ones(2, 1, 1)
    cross_entropy, dice = mask_losses(logits, target, torch.ones(2, 1, 1))
    weights = make_weighting({"kind": "dwsl"}).weights(Labels(tensor([1.0, 0.0]), torch.ones(2), tensor([9.0, -9.0])))
    total = weighted_mean(cross_entropy + dice, weights)
    assert total.item() == pytest.approx((0.9 + 0.1) / 2 * (0.6931472 + 0.2))
