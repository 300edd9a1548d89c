"""A heatmap and SAM: the heatmap says where, SAM finds the edges; together they are a `MaskModel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ivm.core.model import MaskModel, Prediction, RGBImage
from ivm.models.experts.boxed import Cutter
from ivm.models.experts.points import peaks

THRESHOLD = 0.3
"""Places of the heatmap that are at most so probable are no prompts; where all are, the mask is empty."""

APART = 0.1
"""Least distance of two points, in the picture's longer side."""

LIMIT = 5
"""Most points of one question."""


class PointedFeatures(NamedTuple):
    """One picture, encoded for both."""

    heatmap: Any
    sam: Any
    size: tuple[int, int]
    """(height, width) of the picture."""


class PointedExpert:
    """The `MaskModel` of a heatmap's peaks and SAM; presence is the heatmap's."""

    def __init__(self, heatmap: MaskModel, sam: Cutter) -> None:
        self.name = f"{heatmap.name}+{sam.name}"
        self.heatmap, self.sam = heatmap, sam

    def encode(self, images: Sequence[RGBImage]) -> list[PointedFeatures]:
        """Run both image encoders; see `MaskModel.encode`.

        Raises:
            ModelError: a network failed.
        """
        rows = zip(self.heatmap.encode(images), self.sam.encode(images), images, strict=True)
        return [PointedFeatures(seen, cut, image.shape[:2]) for seen, cut, image in rows]

    def predict(self, features: Sequence[PointedFeatures], instructions: Sequence[str]) -> Prediction:
        """Find the heatmaps' peaks, and unite the masks of what is there; see `MaskModel.predict`.

        Returns:
            logits (h, w) float32 each, -10 everywhere where no place is probable enough, and presence (N,).

        Raises:
            ModelError: a network failed.
        """
        told = self.heatmap.predict([one.heatmap for one in features], instructions)
        logits = []
        for one, heat in zip(features, told.logits, strict=True):
            points = peaks(heat, one.size, threshold=THRESHOLD, apart=APART, limit=LIMIT)
            logits.append(self.sam.masks_at(one.sam, points))
        return Prediction(logits, told.presence)
