"""One answer against its true mask: the counts and marks from which every mask metric here is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap
from ivm.evaluation.metrics import Mask, pointing_hit
from ivm.masking.boxes import Box, bounding_box

IGNORE = 255
"""Label of pixels that count for nothing, as in LISA's code and PASCAL VOC's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskScore:
    """One question and how its mask fits."""

    id: str
    group: str
    """The picture; questions about one share their luck."""
    category: str
    present: bool
    """Whether what is asked for is in the picture."""
    intersection: int
    """Pixels that both masks hold, ignored ones left out."""
    union: int
    """Pixels that either mask holds, likewise."""
    empty: bool
    """Whether the answer holds no pixel."""
    hit: float | None
    """`pointing_hit` of the heatmap; None where nothing is there to point at."""
    box_iou: float | None
    """IoU of the boxes around both masks; None likewise."""
    found: float
    """The model's probability that it is there."""

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where both are empty, as in LISA (arXiv 2308.00692, its code)."""
        return self.intersection / self.union if self.union else 1.0


def score_mask(
    answer: Mask,
    truth: NDArray[np.uint8],
    *,
    heatmap: Heatmap,
    found: float,
    id: str = "",
    group: str = "",
    category: str = "",
    present: bool | None = None,
) -> MaskScore:
    """Compare an answer with the truth.

    Args:
        answer: (H, W) bool, the mask.
        truth: (H, W) uint8: 1 needed, 0 not, `IGNORE` for what counts neither way.
        heatmap: (H, W) float, of which the mask was made; only its order matters.
        found: probability in [0, 1].
        id: of the question.
        group: see `MaskScore`, as is `category`.
        category: see `group`.
        present: whether it is in the picture; by default where the truth needs a pixel.

    Raises:
        ValueError: shapes or dtypes differ from these, or the truth holds another label.
    """
    if answer.dtype != np.bool_ or answer.shape != truth.shape or answer.ndim != 2:
        raise ValueError(f"Expected a bool mask {truth.shape}, got {answer.dtype} {answer.shape}")
    counts = np.bincount(truth.ravel(), minlength=256)
    if truth.dtype != np.uint8 or counts[[0, 1, IGNORE]].sum() != truth.size:
        raise ValueError(f"A true mask holds 0, 1 and {IGNORE} as uint8 only")
    decided, needed = truth != IGNORE, truth == 1
    said = answer & decided
    there = bool(counts[1]) if present is None else present
    hit = overlap = None
    if counts[1]:
        hit = pointing_hit(np.where(decided, heatmap, -np.inf), needed)
        overlap = box_iou(bounding_box(said), bounding_box(needed))
    return MaskScore(
        id=id,
        group=group,
        category=category,
        present=there,
        intersection=int(np.count_nonzero(said & needed)),
        union=int(np.count_nonzero(said | needed)),
        empty=not said.any(),
        hit=hit,
        box_iou=overlap,
        found=found,
    )


def box_iou(first: Box | None, second: Box | None) -> float:
    """Intersection over union of two half-open boxes; 0 where one is missing, 1 where both are."""
    if first is None or second is None:
        return float(first is second)
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    inner = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return inner / (areas - inner)
