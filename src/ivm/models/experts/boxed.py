"""A detector that turns text into boxes, and SAM, which turns boxes into a mask, are a `MaskModel` together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.model import Prediction, RGBImage
from ivm.models.experts.boxes import Boxes, Detections, choose
from ivm.models.experts.points import Points


class Detector(Protocol):
    """Finds boxes for a text in an encoded picture."""

    name: str
    threshold: float
    """The score above which its authors count a box as found."""

    def encode(self, images: Sequence[RGBImage]) -> list[Any]:
        """Return one features object per picture, (H, W, 3) uint8 RGB."""
        ...

    def detect(self, features: Sequence[Any], texts: Sequence[str]) -> list[Detections]:
        """Return all boxes for `texts[i]` in the picture behind `features[i]`, the unsure ones among them."""
        ...


class Cutter(Protocol):
    """Turns prompts into a mask: SAM."""

    name: str

    def encode(self, images: Sequence[RGBImage]) -> list[Any]:
        """Return one features object per picture, (H, W, 3) uint8 RGB."""
        ...

    def masks(self, features: Any, boxes: Boxes) -> NDArray[np.float32]:
        """Return (h, w) logits of what is in any of the boxes (N, 4)."""
        ...

    def masks_at(self, features: Any, points: Points) -> NDArray[np.float32]:
        """Return (h, w) logits of what is at any of the points (N, 2)."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxChoice:
    """Which boxes go into SAM."""

    threshold: float | None = None
    """In [0, 1]; boxes that score more are taken. None is the detector's own."""
    overlap: float = 0.7
    """In [0, 1]; of two boxes with a greater intersection over union the better is taken."""
    limit: int = 32
    """Most boxes of one question; each costs a run of SAM's small mask decoder."""

    def __post_init__(self) -> None:
        """Raise an OptionError at values outside their range."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise OptionError(f"The threshold of boxes must be a number from 0 to 1, not {self.threshold!r}")
        if not 0 <= self.overlap <= 1:
            raise OptionError(f"The overlap of boxes must be a number from 0 to 1, not {self.overlap!r}")
        if self.limit < 1:
            raise OptionError(f"The limit of boxes must be at least 1, not {self.limit!r}")


class BoxedFeatures(NamedTuple):
    """One picture, encoded for both."""

    detector: Any
    sam: Any


class BoxedExpert:
    """The `MaskModel` of a detector and SAM.

    Presence is the detector's best score. It ranks answers but is not a calibrated probability: a score of 0.3 is a
    sure find for some detectors.
    """

    def __init__(self, detector: Detector, sam: Cutter, choice: BoxChoice | None = None) -> None:
        self.name = f"{detector.name}+{sam.name}"
        self.detector, self.sam, self.choice = detector, sam, choice or BoxChoice()

    def encode(self, images: Sequence[RGBImage]) -> list[BoxedFeatures]:
        """Run both image encoders; see `MaskModel.encode`.

        Raises:
            ModelError: a network failed.
        """
        pairs = zip(self.detector.encode(images), self.sam.encode(images), strict=True)
        return [BoxedFeatures(*pair) for pair in pairs]

    def predict(self, features: Sequence[BoxedFeatures], instructions: Sequence[str]) -> Prediction:
        """Find boxes and unite their masks; see `MaskModel.predict`.

        Returns:
            logits (h, w) float32 each, -10 everywhere where no box is sure enough, and presence (N,) in [0, 1].

        Raises:
            ModelError: a network failed.
        """
        threshold = self.detector.threshold if self.choice.threshold is None else self.choice.threshold
        found = self.detector.detect([one.detector for one in features], instructions)
        logits = []
        for one, all_boxes in zip(features, found, strict=True):
            kept = choose(all_boxes, threshold=threshold, overlap=self.choice.overlap, limit=self.choice.limit)
            logits.append(self.sam.masks(one.sam, kept.boxes))
        return Prediction(logits, np.array([boxes.best for boxes in found], np.float32))
