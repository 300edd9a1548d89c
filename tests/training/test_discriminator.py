import math

import pytest
import torch
from torch import tensor

from ivm.core.instruction import token_batch
from ivm.training.discriminator import Claim, MaskDiscriminator, agreement
from ivm.training.losses import discriminator_loss

LN2 = math.log(2)


def claim(**changes):
    random = torch.Generator().manual_seed(0)
    told = {
        "image": torch.rand(2, 3, 64, 64, generator=random) * 255,
        "tokens": torch.from_numpy(token_batch(["the red cup", "the duck"])),
        "mask": (torch.rand(2, 32, 32, generator=random) > 0.5).float(),
        "agreement": torch.full((2, 32, 32), 0.5),
    }
    return Claim(**told | changes)


@pytest.fixture
def judge():
    torch.manual_seed(0)
    return MaskDiscriminator(width=8).eval()


CHANGES = {
    "mask": {"mask": torch.zeros(2, 32, 32)},
    "picture": {"image": torch.zeros(2, 3, 64, 64)},
    "instruction": {"tokens": torch.from_numpy(token_batch(["the blue pan", "a plate"]))},
    "agreement": {"agreement": torch.full((2, 32, 32), 0.9)},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_verdict_depends_on(judge, change):
    with torch.no_grad():
        before, after = judge(claim()), judge(claim(**change))
    assert before.shape == (2,)
    assert (before - after).abs().min() > 1e-4


def test_a_verdict_is_about_its_own_label(judge):
    mask = claim().mask.clone()
    mask[1] = 0
    with torch.no_grad():
        before, after = judge(claim()), judge(claim(mask=mask))
    assert before[0] == pytest.approx(after[0].item(), abs=1e-6)
    assert abs(before[1] - after[1]) > 1e-4


def test_it_learns_which_masks_are_a_machines(judge):
    """People keep the left half, the machine the right one."""
    judge.train()
    left = torch.zeros(32, 32)
    left[:, :16] = 1
    labels = claim(mask=torch.stack([left, 1 - left]))
    optimizer = torch.optim.Adam(judge.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        discriminator_loss(judge(labels), tensor([1.0, 0.0])).backward()
        optimizer.step()
    human, machine = judge(labels).sigmoid().tolist()
    assert human > 0.9
    assert machine < 0.1


def test_agreement_is_how_likely_the_model_finds_the_label():
    logits = tensor([[[math.log(3), -math.log(3)]]], requires_grad=True)
    agreed = agreement(logits, tensor([[[1.0, 1.0]]]))
    torch.testing.assert_close(agreed, tensor([[[0.75, 0.25]]]))
    torch.testing.assert_close(agreement(logits, tensor([[[0.0, 0.0]]])), tensor([[[0.25, 0.75]]]))
    assert not agreed.requires_grad


def test_both_classes_count_the_same_whatever_their_number():
    """d = 1/2 everywhere: ln 2 for the human, ln 2 for the mean of three machines'."""
    loss = discriminator_loss(torch.zeros(4), tensor([1.0, 0.0, 0.0, 0.0]))
    assert loss.item() == pytest.approx(2 * LN2)


def test_the_positive_unlabelled_loss_by_hand():
    """d = 3/4 for the human, 1/2 for the machine; eta (-ln d_h) + (-ln(1 - d_m)) - eta (-ln(1 - d_h))."""
    logits = tensor([math.log(3), 0.0])
    loss = discriminator_loss(logits, tensor([1.0, 0.0]), judging="positive-unlabelled", prior=0.3)
    assert loss.item() == pytest.approx(-0.3 * math.log(0.75) + max(0.0, LN2 + 0.3 * math.log(0.25)))


def test_what_estimates_a_loss_is_not_below_zero():
    logits = tensor([5.0, -5.0], requires_grad=True)
    loss = discriminator_loss(logits, tensor([1.0, 0.0]), judging="positive-unlabelled", prior=0.9)
    assert loss.item() == pytest.approx(0.9 * math.log1p(math.exp(-5)), rel=1e-4)


@pytest.mark.parametrize("human", [tensor([1.0, 1.0]), tensor([0.0, 0.0])])
@pytest.mark.parametrize("judging", ["classes", "positive-unlabelled"])
def test_a_batch_of_one_kind_has_a_finite_loss(human, judging):
    loss = discriminator_loss(tensor([1.0, -1.0], requires_grad=True), human, judging=judging)
    assert torch.isfinite(loss)


def test_counts_of_all_processes_make_the_mean_gradient_that_of_all():
    """Two processes of two labels against one of four; the mean of both losses must be the one loss."""
    logits, human = tensor([0.3, -0.2, 1.0, 0.5]), tensor([1.0, 0.0, 0.0, 0.0])
    whole = discriminator_loss(logits, human)
    means = iter([0.5, 1.5, 0.5, 1.5])
    parts = [
        discriminator_loss(logits[part], human[part], count=lambda _: tensor(next(means)))
        for part in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)


def test_logits_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        discriminator_loss(torch.zeros(2, 1), torch.zeros(2))
