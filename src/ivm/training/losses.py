"""What training minimises, one number per sample so that weights can multiply it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
