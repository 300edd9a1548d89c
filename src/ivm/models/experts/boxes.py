"""Boxes as detectors give them and as SAM wants them: pure functions on small arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import ModelError

Boxes = NDArray[np.float32]
"""(N, 4) float32: x0, y0, x1, y1 in pixels of the picture, edges at whole numbers, x to the right and y down."""


class Detections(NamedTuple):
    """What a detector sees in one picture."""

    boxes: Boxes
    scores: NDArray[np.float32]
    """(N,) float32 in [0, 1], how sure the detector is; not calibrated."""

    @property
    def best(self) -> float:
        """The best score, 0 where there is no box."""
        return float(self.scores.max()) if len(self.scores) else 0.0


def corners(boxes: NDArray[Any]) -> Boxes:
    """Turn (N, 4) centre x, centre y, width, height into (N, 4) x0, y0, x1, y1 of the same unit."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def in_picture(boxes: Boxes, scores: NDArray[Any], size: tuple[int, int]) -> Detections:
    """Cut boxes to the picture, and leave out those of which less than a pixel is left.

    Args:
        boxes: (N, 4) x0, y0, x1, y1 in pixels; what lies outside, in a detector's padding for example, is allowed.
        scores: (N,) in [0, 1].
        size: (height, width) of the picture.

    Raises:
        ModelError: a box or a score is not a number.
    """
    boxes, scores = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(scores, np.float32)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ModelError(
            "The detector gave boxes that are not numbers: its weights are damaged, or dtype is too coarse"
        )
    height, width = size
    cut = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    there = ((cut[:, 2:] - cut[:, :2]) >= 1).all(axis=1)
    return Detections(cut[there], scores[there])


def choose(found: Detections, *, threshold: float, overlap: float, limit: int) -> Detections:
    """Keep the sure boxes, best first, without repetitions.

    Args:
        found: any boxes.
        threshold: in [0, 1]; only what scores more is kept.
        overlap: in [0, 1]; a box whose intersection over union with a better one is more is left out.
        limit: most boxes to keep.
    """
    sure = np.flatnonzero(found.scores > threshold)
    waiting = sure[np.argsort(-found.scores[sure], kind="stable")]
    kept: list[int] = []
    while len(waiting) and len(kept) < limit:
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        waiting = waiting[_iou(found.boxes[best], found.boxes[waiting]) <= overlap]
    return Detections(found.boxes[kept], found.scores[kept])


def _iou(box: Boxes, others: Boxes) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with (N, 4): (N,) float32."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    iou: NDArray[np.float32] = shared / (areas - shared)
    return iou
