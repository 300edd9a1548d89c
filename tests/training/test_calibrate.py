import math

import pytest
import torch

from ivm.models.nano.network import NanoConfig, NanoNetwork
from ivm.training.calibrate import LEVELS, Asked, ask, fit, fit_presence
from tiny_run import TINY_NETWORK


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (0.5, 0.7), (2.0, -1.0)])
def test_a_known_scale_and_bias_are_found_again(scale, bias):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, generator=generator)
    chance = torch.sigmoid(scale * logits + bias)
    truth = (torch.rand(20_000, generator=generator) < chance).float()
    assert fit_presence(logits, truth) == pytest.approx((scale, bias), abs=0.08)


@pytest.mark.parametrize("truth", [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
def test_a_model_that_is_always_right_gets_finite_numbers(truth):
    calibration = fit_presence(torch.tensor([-2.0, -1.0, 1.0, 2.0]), torch.tensor(truth))
    assert all(map(math.isfinite, calibration))
    scale, bias = calibration
    told = torch.sigmoid(scale * torch.tensor([-2.0, -1.0, 1.0, 2.0]) + bias)
    torch.testing.assert_close(told, torch.tensor(truth), atol=0.02, rtol=0)


def test_the_edge_of_a_heatmap_comes_where_masks_are_best():
    """Masks of these two questions are best above 0.4 in the mean, though each by itself has another level."""
    iou = torch.zeros(2, len(LEVELS))
    iou[:, LEVELS.tolist().index(pytest.approx(0.4))] = 0.9
    iou[0, 0] = iou[1, -1] = 1.0
    presence = torch.tensor([-1.0, 1.0, -0.5, 2.0])
    shift = fit(Asked(presence, torch.tensor([0.0, 1.0, 1.0, 0.0]), iou)).shift
    assert torch.sigmoid(torch.tensor(0.4).logit() + shift) == pytest.approx(0.5, abs=1e-5)


def test_scenes_that_show_nothing_leave_heatmaps_as_they_are():
    none = torch.zeros(4)
    assert fit(Asked(torch.arange(4.0), none, torch.zeros(0, len(LEVELS)))).shift == 0


def test_unseen_scenes_are_asked_about_and_the_same_each_time():
    torch.manual_seed(0)
    network = NanoNetwork(NanoConfig(**TINY_NETWORK)).eval()
    asked = ask(network, scenes=8)
    assert asked.presence.shape == asked.present.shape == (32,)
    assert asked.iou.shape == (int(asked.present.sum()), len(LEVELS))
    assert 0 < asked.iou.mean() < 1
    assert not asked.presence.requires_grad
    assert set(asked.present.tolist()) == {0.0, 1.0}
    torch.testing.assert_close(tuple(asked), tuple(ask(network, scenes=8)))
    assert not torch.equal(ask(network, scenes=8, seed=5).present, asked.present)


def test_a_question_without_a_thing_is_no_matter_of_masks():
    """A network that finds all of every picture: as much as the things cover of what is decided."""

    class Everything(torch.nn.Module):
        def forward(self, image, tokens, picture):
            return torch.full((len(tokens), 176, 240), 9.0), torch.zeros(len(tokens)), None

    iou = ask(Everything(), scenes=8).iou
    assert (iou > 0).all()
    assert torch.equal(iou[:, 0], iou[:, -1])
    assert iou.max() < 0.9
