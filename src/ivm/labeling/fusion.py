"""Many opinions of one thing become one mask, with an expected quality.

Each expert's logits are first read as evidence (`calibration.py`), the log of how much likelier a needed pixel is to
get such a logit than another one; evidence adds up. Weights, learnt together, take back what experts only repeat after
one another. Then regions speak: an expert whose mask is far from what the others say here counts less here, an idea of
Warfield et al., "Simultaneous truth and performance level estimation" (IEEE TMI 2004), with overlap in place of their
expectation step; and a region of the mask that too few experts hold is taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.labeling.calibration import Calibration
from ivm.labeling.expert import Opinion
from ivm.masking.heatmap import sigmoid, upsample_logits
from ivm.masking.overlap import mask_iou

GRID = 192
"""Longer side of the grid on which opinions are joined."""
_ROUNDS = 2

Evidence = NDArray[np.float32]
"""(E, h, w) float32: calibrated log-likelihood ratios of E experts."""


@dataclass(frozen=True, slots=True)
class Fused:
    """One thing as all experts together see it."""

    logits: NDArray[np.float32]
    """(h, w) on the common grid: above 0 is needed."""
    presence: float
    """Probability that it is there."""
    agreement: dict[str, float]
    """By expert: soft overlap of its mask with the fused one, in [0, 1]."""
    quality: float
    """Expected overlap with the truth, in [0, 1]."""
    signs: NDArray[np.float64]
    """What the quality was read from, in the order of `SIGNS`."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(h, w) bool."""
        return self.logits > 0


def grid_of(height: int, width: int) -> tuple[int, int]:
    """Height and width of the common grid for a picture's."""
    scale = min(1.0, GRID / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def fuse(opinions: Mapping[str, Opinion], calibration: Calibration, height: int, width: int) -> Fused:
    """Join what experts say of one thing.

    Args:
        opinions: by the expert's name; one or more.
        calibration: knows each of them, or takes them as they are.
        height: of the picture.
        width: of the picture.
    """
    names = list(opinions)
    evidence = gather(opinions, calibration, grid_of(height, width))
    weights = np.array([calibration.weight(name) for name in names], np.float32)
    logits, masks, agreement = join(evidence, weights, calibration)
    there = np.array([calibration.presence(name, opinions[name].presence) for name in names])
    presence = float(np.average(there, weights=np.maximum(weights, 1e-6)))
    found = signs(logits, masks, agreement, weights, presence)
    told = {name: float(value) for name, value in zip(names, agreement, strict=True)}
    return Fused(logits, presence, told, calibration.quality(found), found)


def gather(opinions: Mapping[str, Opinion], calibration: Calibration, grid: tuple[int, int]) -> Evidence:
    """Bring opinions to one grid and read them as evidence: (E, h, w)."""
    return np.stack(
        [
            calibration.evidence(name, upsample_logits(one.logits.astype(np.float32), *grid))
            for name, one in opinions.items()
        ]
    )


def join(
    evidence: Evidence, weights: NDArray[np.float32], calibration: Calibration
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Add up evidence, weigh experts by how far they agree here, and take out what too few hold.

    Args:
        evidence: (E, h, w).
        weights: (E,), 0 or more.
        calibration: gives the sharpness of agreement, the offset, and the support that a region needs.

    Returns:
        Logits (h, w), the experts' own masks (E, h, w), and their agreement (E,) with the fused mask.
    """
    masks = evidence > 0
    here = np.ones(len(weights), np.float32)
    for _ in range(_ROUNDS if len(weights) > 1 else 0):
        here = _agreement_without_self(evidence, masks, weights * here, calibration) ** calibration.sharpness
        here /= max(float(here.max()), 1e-6)
    scaled = weights * here
    # The whole weight is kept: who agrees speaks for those who do not.
    scaled *= weights.sum() / max(float(scaled.sum()), 1e-6)
    logits = np.tensordot(scaled, evidence, axes=1) + np.float32(calibration.offset)
    logits = _supported(logits.astype(np.float32), masks, weights * here, calibration.support)
    agreement = np.array([soft_overlap(sigmoid(logits), mask.astype(np.float32)) for mask in masks], np.float32)
    return logits, masks, agreement


def soft_overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Intersection over union of two maps in [0, 1], both (h, w); 1.0 where both are empty."""
    both = float((first * second).sum())
    either = float(first.sum()) + float(second.sum()) - both
    return both / either if either > 1e-6 else 1.0


SIGNS = ("agreement", "worst agreement", "certainty", "presence", "pairs")
"""What the expected quality is read from."""


def signs(
    logits: NDArray[np.float32],
    masks: NDArray[np.bool_],
    agreement: NDArray[np.float32],
    weights: NDArray[np.float32],
    presence: float,
) -> NDArray[np.float64]:
    """Signs of a good mask, each in [0, 1], in the order of `SIGNS`.

    Agreement is the weighted mean overlap of experts with the fused mask, certainty the overlap of the fused heatmap
    with its own mask, pairs the mean overlap of the experts' masks with one another.
    """
    shares = weights / max(float(weights.sum()), 1e-6)
    certainty = soft_overlap(sigmoid(logits), (logits > 0).astype(np.float32)) if (logits > 0).any() else 0.0
    pairs = [mask_iou(masks[i], masks[j]) for i in range(len(masks)) for j in range(i)]
    return np.array(
        [float(agreement @ shares), float(agreement.min()), certainty, presence, float(np.mean(pairs or [certainty]))]
    )


def union(parts: Sequence[Fused]) -> tuple[NDArray[np.float32], float]:
    """Join things: the logits of what any of them needs, (h, w), and the least quality of them."""
    return np.max([part.logits for part in parts], axis=0), min(part.quality for part in parts)


def _agreement_without_self(
    evidence: Evidence, masks: NDArray[np.bool_], weights: NDArray[np.float32], calibration: Calibration
) -> NDArray[np.float32]:
    """Overlap of each expert's mask with what all others say, (E,)."""
    total = np.tensordot(weights, evidence, axes=1)
    overlaps = []
    for weight, own, mask in zip(weights, evidence, masks, strict=True):
        rest = float(weights.sum() - weight)
        others = (total - weight * own) * (float(weights.sum()) / max(rest, 1e-6)) + calibration.offset
        overlaps.append(max(mask_iou(others > 0, mask), 0.02))
    return np.array(overlaps, np.float32)


def _supported(
    logits: NDArray[np.float32], masks: NDArray[np.bool_], weights: NDArray[np.float32], least: float
) -> NDArray[np.float32]:
    """Take out regions of the mask that experts with less than a share of the weight hold; the best one stays."""
    if least <= 0 or len(masks) < 2 or not (logits > 0).any():
        return logits
    count, labels = cv2.connectedComponents((logits > 0).astype(np.uint8))
    areas = np.bincount(labels.ravel(), minlength=count)
    held = np.stack([np.bincount(labels.ravel(), mask.ravel().astype(np.float64), count) for mask in masks])
    support = weights @ (held / np.maximum(areas, 1)) / max(float(weights.sum()), 1e-6)
    keep = support >= least
    keep[1 + int(support[1:].argmax())] = True
    gone = ~keep[labels] & (labels > 0)
    logits = logits.copy()
    logits[gone] = -np.abs(logits[gone]) - np.float32(1e-3)
    return logits
