"""What training minimises, one number per sample so that weights can multiply it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Judging = Literal["classes", "positive-unlabelled"]
"""What the discriminator minimises, see `discriminator_loss`."""


def mask_losses(logits: Tensor, target: Tensor, decided: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy and Dice loss of each sample.

    Args:
        logits: (N, H, W) float.
        target: (N, H, W) float in [0, 1].
        decided: (N, H, W) float, 1 where a pixel counts and 0 where it does not.

    Returns:
        Cross-entropy (N,), the mean over decided pixels; and Dice (N,), 1 - 2 sum(p t) / (sum(p) + sum(t)) as in
        Milletari et al., "V-Net" (arXiv 1606.04797), 0 for a sample without any target pixel.
    """
    pixelwise = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    cross_entropy = (pixelwise * decided).sum((1, 2)) / decided.sum((1, 2)).clamp(min=1)
    probability, wanted = logits.sigmoid() * decided, target * decided
    overlap = 2 * (probability * wanted).sum((1, 2))
    dice = 1 - (overlap + 1) / (probability.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    return cross_entropy, torch.where(wanted.sum((1, 2)) > 0, dice, torch.zeros_like(dice))


def weighted_mean(losses: Tensor, weights: Tensor, counted: Tensor | None = None) -> Tensor:
    """Return sum(weight * loss) / number of samples, a scalar; no gradient flows into the weights.

    In several processes the number is the mean of theirs, so that the mean of what they return is that of one process.

    Weights of another shape would broadcast: (N, 1) against (N,) makes mean(weights) * mean(losses), and every sample
    would weigh the same.

    Args:
        losses: (N,) float.
        weights: (N,) float.
        counted: (N,) float, 1 for samples that count, 0 for those left out of sum and number; all by default.

    Raises:
        ValueError: shapes differ, or are not (N,).
    """
    counted = torch.ones_like(losses) if counted is None else counted
    shapes = {tuple(tensor.shape) for tensor in (losses, weights, counted)}
    if len(shapes) > 1 or losses.ndim != 1:
        raise ValueError(f"Losses and weights must be of one shape (N,), not {sorted(shapes)}")
    return (weights.detach() * losses * counted).sum() / nonzero(mean_over_processes(counted.sum()))


def mean_over_processes(number: Tensor) -> Tensor:
    """The mean of a scalar over all processes of a run, without a gradient; the scalar itself where there is one."""
    if not torch.distributed.is_initialized():
        return number
    total = number.detach().clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()


def nonzero(number: Tensor) -> Tensor:
    """A scalar to divide by: 1 in place of 0."""
    return torch.where(number > 0, number, 1.0)


def discriminator_loss(
    logits: Tensor,
    human: Tensor,
    *,
    judging: Judging = "classes",
    prior: float = 0.5,
    count: Callable[[Tensor], Tensor] = mean_over_processes,
) -> Tensor:
    """Loss of telling human labels from machine labels.

    With "classes" each class counts as much: mean over human of -log d, plus mean over machine of -log(1 - d), d being
    sigmoid(logits). That takes every machine label for a bad one. With "positive-unlabelled" a share `prior` of the
    machine labels is taken to be as good as human ones, as in DWBC (Xu et al., arXiv 2207.10050, its discriminator's
    loss with eta = prior): prior * mean over human of (-log d + log(1 - d)), plus mean over machine of -log(1 - d).
    What of this estimates the loss over bad machine labels cannot truly be below zero and is kept from it, as in
    Kiryo et al. (arXiv 1703.00593).

    Args:
        logits: (N,) float.
        human: (N,) float, 1 for a human label, 0 for a machine label.
        judging: which of both.
        prior: eta, above 0 and at most 1.
        count: gives the mean of a number of samples over all processes, so that their mean gradient is that of all.

    Raises:
        ValueError: shapes differ.
    """
    if logits.shape != human.shape or logits.ndim != 1:
        raise ValueError(f"Logits and labels must be of one shape (N,), not {logits.shape} and {human.shape}")
    machine = 1 - human
    humans, machines = count(human.sum()).clamp(min=1e-6), count(machine.sum()).clamp(min=1e-6)
    as_human = (F.softplus(-logits) * human).sum() / humans
    as_machine = (F.softplus(logits) * machine).sum() / machines
    if judging == "classes":
        return as_human + as_machine
    bad = as_machine - prior * (F.softplus(logits) * human).sum() / humans
    return prior * as_human + bad.clamp(min=0)
