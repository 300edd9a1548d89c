"""Judges whether a person or a machine drew a mask: the small discriminator beside `ivm-nano`.

Shape suffixes: N labels, H and W pixels of the picture, h and w of the mask.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ivm.models.nano.network import NanoConfig, TextEncoder

_CHANNELS = 8
"""Picture, masked picture, mask, agreement."""


class Claim(NamedTuple):
    """N labels to judge."""

    image: Tensor
    """(N, 3, H, W) float RGB in [0, 255]."""
    tokens: Tensor
    """(N, L, P) int64, see `core.instruction.token_batch`."""
    mask: Tensor
    """(N, h, w) float in [0, 1]: the label."""
    agreement: Tensor
    """(N, h, w) float in [0, 1], see `agreement`; 0.5 everywhere where it is not used."""


def agreement(logits: Tensor, target: Tensor) -> Tensor:
    """How likely the model itself finds each pixel of a label: p where the target is set, else 1 - p; no gradient.

    What a model has learnt from all labels agrees with a label more often where it is right, as DWBC's policy does
    with actions (arXiv 2207.10050, where the discriminator sees the logarithm of the policy).

    Args:
        logits: (N, h, w) float, the model's.
        target: (N, h, w) float in [0, 1], the label.

    Returns:
        (N, h, w) float in [0, 1].
    """
    probability = logits.detach().sigmoid()
    return torch.where(target > 0.5, probability, 1 - probability)


class MaskDiscriminator(nn.Module):
    """Convolutions over picture, masked picture, mask and agreement, told what was asked.

    Args:
        width: channels of the first stage; each of the following has half as many more.
        text_width: channels of the reading of the instruction, a multiple of 4.
    """

    def __init__(self, width: int = 16, text_width: int = 32) -> None:
        super().__init__()
        self.text = TextEncoder(NanoConfig(text_width=text_width, text_layers=1))
        widths = [_CHANNELS, width, width * 3 // 2, width * 9 // 4, width * 27 // 8]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(1, after), nn.ReLU())
            for before, after in itertools.pairwise(widths)
        )
        self.scale = nn.ModuleList(nn.Linear(text_width, channels) for channels in widths[1:])
        pooled = 2 * widths[-1] + widths[-1] + text_width + 3
        self.head = nn.Sequential(nn.Linear(pooled, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, claim: Claim) -> Tensor:
        """Return logits (N,) that a person drew each mask."""
        words, _ = self.text(claim.tokens)
        sentence, mask = words[:, 0], claim.mask[:, None]
        image = F.interpolate(claim.image, claim.mask.shape[1:], mode="area") / 127.5 - 1
        x = torch.cat([image, image * mask, mask, claim.agreement[:, None]], 1)
        for stage, scale in zip(self.stages, self.scale, strict=True):
            x = stage(x) * (1 + scale(sentence)[..., None, None])
        inside = F.adaptive_avg_pool2d(mask, (x.shape[2], x.shape[3]))
        within = (x * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=0.1)
        told = [x.mean((2, 3)), x.amax((2, 3)), within, sentence, self._shares(claim)]
        logits: Tensor = self.head(torch.cat(told, 1))[:, 0]
        return logits

    def _shares(self, claim: Claim) -> Tensor:
        """(N, 3): the mask's share of the picture, and the agreement inside and outside of it."""
        mask, agreed = claim.mask.flatten(1), claim.agreement.flatten(1)
        inside = (agreed * mask).sum(1) / mask.sum(1).clamp(min=1)
        outside = (agreed * (1 - mask)).sum(1) / (1 - mask).sum(1).clamp(min=1)
        return torch.stack([mask.mean(1), inside, outside], 1)
