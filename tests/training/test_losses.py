import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivm.training.losses import mask_losses

LOG3 = math.log(3)  # its sigmoid is 3/4

LOGITS = torch.tensor([[[0.0, LOG3], [-LOG3, 0.0]]])
TARGET = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
ALL = torch.ones(1, 2, 2)


def test_both_losses_by_hand():
    cross_entropy, dice = mask_losses(LOGITS, TARGET, ALL)
    assert cross_entropy.item() == pytest.approx((2 * math.log(2) + 2 * math.log(4 / 3)) / 4)
    overlap, sums = 2 * (0.5 + 0.75), (0.5 + 0.75 + 0.25 + 0.5) + 2
    assert dice.item() == pytest.approx(1 - (overlap + 1) / (sums + 1))


def test_a_right_answer_costs_nothing_and_a_wrong_one_much():
    sure = (TARGET * 2 - 1) * 50
    assert [loss.item() for loss in mask_losses(sure, TARGET, ALL)] == pytest.approx([0, 0], abs=1e-6)
    cross_entropy, dice = mask_losses(-sure, TARGET, ALL)
    assert cross_entropy.item() == pytest.approx(50)
    assert dice.item() == pytest.approx(1 - 1 / 5)


def test_undecided_pixels_do_not_count():
    decided = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    expected = mask_losses(LOGITS, TARGET, decided)
    changed = LOGITS.clone(), TARGET.clone()
    changed[0][0, 1, 1], changed[1][0, 1, 1] = 40.0, 1.0
    for one, other in zip(expected, mask_losses(*changed, decided), strict=True):
        torch.testing.assert_close(one, other)
    assert expected[0].item() == pytest.approx((math.log(2) + 2 * math.log(4 / 3)) / 3)


def test_without_a_target_dice_is_zero_and_cross_entropy_is_not():
    cross_entropy, dice = mask_losses(LOGITS, torch.zeros(1, 2, 2), ALL)
    assert dice.item() == 0
    assert cross_entropy.item() > 0.5


def test_where_nothing_is_decided_nothing_is_lost():
    assert [loss.item() for loss in mask_losses(LOGITS, TARGET, torch.zeros(1, 2, 2))] == [0, 0]


@given(st.integers(0, 1000))
def test_samples_do_not_touch_each_other(seed):
    generator = torch.Generator().manual_seed(seed)
    logits, target, decided = (torch.randn(3, 2, 2, generator=generator) for _ in range(3))
    target, decided = (target > 0).float(), (decided > -1).float()
    together = mask_losses(logits, target, decided)
    for i in range(3):
        alone = mask_losses(*(part[i : i + 1] for part in (logits, target, decided)))
        torch.testing.assert_close(alone, tuple(loss[i : i + 1] for loss in together))


def test_a_gradient_reaches_decided_pixels_only():
    logits = LOGITS.clone().requires_grad_()
    decided = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    cross_entropy, dice = mask_losses(logits, TARGET, decided)
    (cross_entropy + dice).sum().backward()
    assert (logits.grad != 0).tolist() == decided.bool().tolist()
