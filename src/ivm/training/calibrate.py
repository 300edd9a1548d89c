"""Make the answers of a trained network mean what they say: the presence, and where a heatmap ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ivm.core.instruction import token_batch
from ivm.data.parts import Progress, silent
from ivm.data.tabletop.asked import asked_scenes
from ivm.data.tabletop.questions import Question
from ivm.models.nano.export import Calibration
from ivm.models.nano.network import NanoNetwork

HELD_OUT_SEED = 900_001
"""Seed of the scenes for calibration; no recipe trains on it."""

READ = (480, 352)
"""Width and height at which an exported network reads a picture of 4:3, see `models.nano.export.INPUT_AREA`."""

LEVELS = torch.linspace(0.3, 0.6, 13)
"""Probabilities of which one becomes the edge of what is found."""


class Asked(NamedTuple):
    """What a network says of scenes that it has not seen."""

    presence: Tensor
    """(N,) float32 logits."""
    present: Tensor
    """(N,) float32, 1 where the target is there."""
    iou: Tensor
    """(M, 13) float32: of the questions whose target is there, the IoU of the heatmap above each of the `LEVELS`."""


def ask(network: NanoNetwork, *, scenes: int, seed: int = HELD_OUT_SEED, progress: Progress = silent) -> Asked:
    """Ask four questions about each of so many held-out scenes, each seen whole and at the size that is read.

    The crops of training would not do: things are larger there, and their masks best at another level.

    Args:
        network: in evaluation mode.
        scenes: how many.
        seed: of the scenes.
        progress: told after each scene how many are done.
    """
    answers = []
    for image, questions in _scenes(scenes, seed, questions=4):
        tokens = torch.from_numpy(token_batch([question.instruction for question in questions]))
        pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float()
        with torch.no_grad():
            logits, presence, _ = network(pixels, tokens, torch.zeros(len(questions), dtype=torch.int64))
        present = torch.tensor([question.present for question in questions])
        masks = torch.from_numpy(np.stack([question.mask for question in questions]))[present]
        told = F.interpolate(logits[present][:, None], masks.shape[1:], mode="bilinear")[:, 0]
        answers.append((presence, present.float(), _overlap(told.sigmoid(), masks)))
        progress(len(answers), scenes)
    return Asked(*map(torch.cat, zip(*answers, strict=True)))


def _overlap(told: Tensor, masks: Tensor) -> Tensor:
    """Return (N, 13), the IoU of each heatmap above each level with a mask of `Question.mask`."""
    overlaps = []
    for heat, mask in zip(told, masks, strict=True):
        step = torch.bucketize(heat, LEVELS)  # how many levels lie below a place
        inside, outside = (
            torch.bincount(step[mask == value], minlength=len(LEVELS) + 1).flip(0).cumsum(0).flip(0) for value in (1, 0)
        )
        overlaps.append(inside[1:] / (inside[0] + outside[1:]).clamp(min=1))
    return torch.stack(overlaps) if overlaps else torch.zeros(0, len(LEVELS))


def _scenes(count: int, seed: int, questions: int) -> Iterator[tuple[NDArray[np.uint8], list[Question]]]:
    """Yield pictures as they are read, and what is asked about each."""
    for _, scene, asked in asked_scenes(count, questions, seed, "fast"):
        yield np.asarray(cv2.resize(scene.image, READ, interpolation=cv2.INTER_AREA), np.uint8), asked


def sample(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures of held-out scenes (N, H, W, 3) uint8 and the tokens of a question about each (N, L, P) int64."""
    images, questions = zip(*_scenes(count, HELD_OUT_SEED, questions=1), strict=True)
    return np.stack(images), token_batch([one.instruction for (one,) in questions])


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
