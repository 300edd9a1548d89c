"""Grounding DINO (arXiv 2303.05499): its backbone sees only the picture, so that part is done once."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ivm.core.model import RGBImage
from ivm.models.experts.boxes import Boxes, Detections, corners, in_picture
from ivm.models.experts.runtime import Runtime, running

QUESTIONS_AT_ONCE = 4

Levels = tuple[list[tuple[Tensor, Tensor]], list[Tensor]]
"""What the backbone gives: (features (B, C, R, C'), mask (B, R, C')) per level, and position codes per level."""


class GroundingDinoFeatures(NamedTuple):
    """One encoded picture."""

    pixels: Tensor
    """(1, 3, h, w); the network reads its size from it."""
    levels: Levels
    """Of a batch of one."""
    size: tuple[int, int]
    """(height, width) of the picture."""


class RememberingBackbone(nn.Module):
    """A backbone that, inside `given`, hands out features that it made before."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._known = threading.local()

    @property
    def position_embedding(self) -> Any:
        """The network asks the backbone for the codes of the coarser levels that it adds itself."""
        return self.backbone.position_embedding

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> Levels:
        """Return the features of these pixels, or those that were given."""
        known: Levels | None = getattr(self._known, "levels", None)
        return known if known is not None else self.backbone(pixel_values, pixel_mask)

    def give(self, levels: Levels | None) -> None:
        """Hand these out in this thread from now on; None ends it."""
        self._known.levels = levels


class GroundingDino:
    """Text to boxes with Grounding DINO."""

    threshold = 0.3
    """Between the 0.25 of transformers and the 0.35 of its authors' demonstration."""

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        self.name = name
        self._backbone = model.model.backbone = RememberingBackbone(model.model.backbone)
        self._model, self._processor, self._runtime = model, processor, runtime

    def encode(self, images: Sequence[RGBImage]) -> list[GroundingDinoFeatures]:
        """Run the backbone, a picture at a time: their sizes differ, and padding would change the answers.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            ModelError: the network failed.
        """
        return [self._encode(image) for image in images]

    def detect(self, features: Sequence[GroundingDinoFeatures], texts: Sequence[str]) -> list[Detections]:
        """Find boxes for each text; questions about pictures of one size go through the network together.

        Raises:
            ModelError: the network failed.
        """
        places = defaultdict(list)
        for place, one in enumerate(features):
            places[one.pixels.shape].append(place)
        found: dict[int, Detections] = {}
        for same in places.values():
            for start in range(0, len(same), QUESTIONS_AT_ONCE):
                some = same[start : start + QUESTIONS_AT_ONCE]
                answers = self._detect([features[i] for i in some], [texts[i] for i in some])
                found.update(zip(some, answers, strict=True))
        return [found[place] for place in range(len(features))]

    def _encode(self, image: RGBImage) -> GroundingDinoFeatures:
        with running(self.name):
            inputs = self._processor.image_processor(image, input_data_format="channels_last", return_tensors="pt")
            pixels = inputs["pixel_values"].to(self._runtime.device, self._runtime.dtype)
            levels = self._backbone(pixels, inputs["pixel_mask"].to(self._runtime.device))
        return GroundingDinoFeatures(pixels, levels, image.shape[:2])

    def _detect(self, features: list[GroundingDinoFeatures], texts: list[str]) -> list[Detections]:
        words = self._processor.tokenizer(
            [prompt(text) for text in texts],
            padding=True,
            truncation=True,
            max_length=self._model.config.max_text_len,
            return_token_type_ids=True,
            return_tensors="pt",
        ).to(self._runtime.device)
        with running(self.name):
            self._backbone.give(_batch([one.levels for one in features]))
            try:
                seen = self._model(pixel_values=torch.cat([one.pixels for one in features]), **words)
            finally:
                self._backbone.give(None)
            scores = seen.logits.float().sigmoid().amax(dim=-1).cpu().numpy()
            centred = seen.pred_boxes.float().cpu().numpy()
        return [
            in_picture(fractions_to_pixels(boxes, one.size), own, one.size)
            for one, boxes, own in zip(features, centred, scores, strict=True)
        ]


def prompt(text: str) -> str:
    """Write an instruction as Grounding DINO was trained: small letters, a full stop at the end of each phrase."""
    return text.lower().rstrip(" .!?") + "."


def fractions_to_pixels(boxes: Any, size: tuple[int, int]) -> Boxes:
    """Turn (N, 4) centre x, centre y, width, height, fractions of the picture, into its pixels.

    Args:
        boxes: (N, 4).
        size: (height, width) of the picture.
    """
    height, width = size
    return corners(boxes) * np.array([width, height, width, height], np.float32)


def _batch(pictures: list[Levels]) -> Levels:
    """Join the features of several pictures of one size."""
    features = [
        (torch.cat([one[0] for one in level]), torch.cat([one[1] for one in level]))
        for level in zip(*(levels for levels, _ in pictures), strict=True)
    ]
    return features, [torch.cat(level) for level in zip(*(codes for _, codes in pictures), strict=True)]
