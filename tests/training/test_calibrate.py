import math

import pytest
import torch

from ivm.models.nano.network import NanoConfig, NanoNetwork
from ivm.training.calibrate import fit_calibration, presence_logits
from tiny_run import TINY_NETWORK


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (0.5, 0.7), (2.0, -1.0)])
def test_a_known_scale_and_bias_are_found_again(scale, bias):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, generator=generator)
    chance = torch.sigmoid(scale * logits + bias)
    truth = (torch.rand(20_000, generator=generator) < chance).float()
    assert fit_calibration(logits, truth) == pytest.approx((scale, bias), abs=0.08)


@pytest.mark.parametrize("truth", [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
def test_a_model_that_is_always_right_gets_finite_numbers(truth):
    calibration = fit_calibration(torch.tensor([-2.0, -1.0, 1.0, 2.0]), torch.tensor(truth))
    assert all(map(math.isfinite, calibration))
    scale, bias = calibration
    told = torch.sigmoid(scale * torch.tensor([-2.0, -1.0, 1.0, 2.0]) + bias)
    torch.testing.assert_close(told, torch.tensor(truth), atol=0.02, rtol=0)


def test_unseen_scenes_are_asked_about_and_the_same_each_time():
    torch.manual_seed(0)
    network = NanoNetwork(NanoConfig(**TINY_NETWORK)).eval()
    logits, truth = presence_logits(network, batches=1)
    assert logits.shape == truth.shape == (64,)
    assert not logits.requires_grad
    assert set(truth.tolist()) == {0.0, 1.0}
    again = presence_logits(network, batches=1)
    torch.testing.assert_close((logits, truth), again)
    assert not torch.equal(presence_logits(network, batches=1, seed=5)[1], truth)
