"""Make the answers of a trained network mean what they say: the presence, and where a heatmap ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ivm.data.tabletop.stream import MASK_ONE, UNKNOWN, TabletopStream
from ivm.models.nano.export import Calibration
from ivm.models.nano.network import NanoNetwork

HELD_OUT_SEED = 900_001
"""Seed of the scenes for calibration; no recipe trains on it."""

READ = (480, 352)
"""Width and height at which an exported network reads a picture of 4:3, see `models.nano.export.INPUT_AREA`."""

LEVELS = torch.linspace(0.3, 0.6, 13)
"""Probabilities of which one becomes the edge of what is found."""

PICTURES = 16
"""Scenes of a batch."""


class Asked(NamedTuple):
    """What a network says of scenes that it has not seen."""

    presence: Tensor
    """(N,) float32 logits."""
    present: Tensor
    """(N,) float32, 1 where the target is there."""
    iou: Tensor
    """(M, 13) float32: of the questions whose target is there, the IoU of the heatmap above each of the `LEVELS`."""


def ask(network: NanoNetwork, *, scenes: int, seed: int = HELD_OUT_SEED) -> Asked:
    """Ask four questions about each of so many held-out scenes, seen at the size that an exported network reads.

    Args:
        network: in evaluation mode.
        scenes: how many, rounded down to batches of `PICTURES`.
        seed: of the scenes.
    """
    stream = _scenes(seed, PICTURES, questions=4)
    answers = []
    for batch, _ in zip(stream.batches(), range(scenes // PICTURES), strict=False):
        image = torch.from_numpy(batch.image).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            logits, presence, _ = network(image, torch.from_numpy(batch.tokens), torch.from_numpy(batch.picture))
        there = torch.from_numpy(batch.present)
        answers.append((presence, there, _overlap(logits[there > 0], torch.from_numpy(batch.mask)[there > 0])))
    return Asked(*map(torch.cat, zip(*answers, strict=True)))


def _overlap(logits: Tensor, mask: Tensor) -> Tensor:
    """Return (N, 13), the IoU of each map above each level, where the mask is decided."""
    decided, truth = (mask != UNKNOWN).flatten(1), (mask > MASK_ONE // 2).flatten(1)
    told = logits.sigmoid().flatten(1)
    overlaps = []
    for level in LEVELS:
        inside, wanted = (told > level) & decided, truth & decided
        overlaps.append((inside & wanted).sum(1) / (inside | wanted).sum(1).clamp(min=1))
    return torch.stack(overlaps, 1)


def _scenes(seed: int, count: int, questions: int) -> TabletopStream:
    return TabletopStream(
        seed=seed,
        fresh=count,
        pictures=count,
        memory=count,
        questions=questions,
        scene_size=READ,
        sizes=(READ,),
    )


def sample(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures of held-out scenes (N, H, W, 3) uint8 and the tokens of a question about each (N, L, P) int64."""
    batch = next(_scenes(HELD_OUT_SEED, count, questions=1).batches())
    return batch.image, batch.tokens


def fit(asked: Asked) -> Calibration:
    """Make presence a probability, and 0.5 of the heatmap the level at which masks are best.

    A network that learns by overlap and cross-entropy puts the level of the best mean IoU a little below 0.5, for a
    thing that it is not sure of is worth more when it is taken (Lipton et al., "Thresholding classifiers to maximize
    F1 score", arXiv 1402.1892).
    """
    scale, bias = fit_presence(asked.presence, asked.present)
    level = LEVELS[asked.iou.mean(0).argmax()] if len(asked.iou) else torch.tensor(0.5)
    return Calibration(scale, bias, -float(level.logit()))


def fit_presence(logits: Tensor, truth: Tensor) -> tuple[float, float]:
    """Fit scale and bias so that sigmoid(scale * logit + bias) is calibrated (Platt, 1999).

    Args:
        logits: (N,) float.
        truth: (N,) float, 0 or 1.

    Returns:
        Scale and bias.
    """
    parameters = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], lr=0.5, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(parameters[0] * logits + parameters[1], truth)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    scale, bias = parameters.tolist()
    return scale, bias
