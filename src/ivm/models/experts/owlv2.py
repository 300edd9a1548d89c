"""OWLv2 (arXiv 2306.09683): a picture's boxes do not depend on the question, only their scores do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ivm.core.errors import CheckpointError
from ivm.core.model import RGBImage
from ivm.models.experts.boxes import Boxes, Detections, corners, in_picture
from ivm.models.experts.runtime import Runtime, running

PICTURES_AT_ONCE = 4


class Owlv2Features(NamedTuple):
    """One encoded picture with P patches, each of which has a box."""

    patches: Tensor
    """(P, width)."""
    boxes: Boxes
    """(P, 4) x0, y0, x1, y1 in pixels of the picture, not cut to it."""
    size: tuple[int, int]
    """(height, width) of the picture."""


class Owlv2:
    """Text to boxes with OWLv2."""

    threshold = 0.2
    """Twice what transformers takes for a list of many classes: a single question wants surer boxes."""

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join an `Owlv2ForObjectDetection` and its `Owlv2Processor`.

        Raises:
            CheckpointError: the processor makes pictures of another size than the model reads.
        """
        side, size = model.config.vision_config.image_size, processor.image_processor.size
        if (size["height"], size["width"]) != (side, side):
            raise CheckpointError(
                f"OWLv2 reads pictures of {side} x {side} pixels, but its processor makes {dict(size)}: "
                "get both from one folder"
            )
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime

    def encode(self, images: Sequence[RGBImage]) -> list[Owlv2Features]:
        """Run the image encoder and the box head.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            ModelError: the network failed.
        """
        features: list[Owlv2Features] = []
        for start in range(0, len(images), PICTURES_AT_ONCE):
            some = list(images[start : start + PICTURES_AT_ONCE])
            with running(self.name):
                patches, centred = self._patches(some)
            for image, own, boxes in zip(some, patches, centred, strict=True):
                size = image.shape[:2]
                features.append(Owlv2Features(own, square_to_pixels(boxes.float().cpu().numpy(), size), size))
        return features

    def detect(self, features: Sequence[Owlv2Features], texts: Sequence[str]) -> list[Detections]:
        """Score all boxes of each picture for its text.

        Raises:
            ModelError: the network failed.
        """
        found: list[Detections] = []
        for start in range(0, len(texts), PICTURES_AT_ONCE):
            some = features[start : start + PICTURES_AT_ONCE]
            with running(self.name):
                scores = self._scores(
                    torch.stack([one.patches for one in some]), list(texts[start : start + len(some)])
                )
            found += [in_picture(one.boxes, s, one.size) for one, s in zip(some, scores.numpy(), strict=True)]
        return found

    def _patches(self, images: list[RGBImage]) -> tuple[Tensor, Tensor]:
        """Features (B, P, width), and boxes (B, P, 4) as fractions of the padded square."""
        inputs = self._processor(images=images, input_data_format="channels_last", return_tensors="pt")
        grid_BRCD, _ = self._model.image_embedder(
            pixel_values=inputs["pixel_values"].to(self._runtime.device, self._runtime.dtype)
        )
        patches_BPD = grid_BRCD.flatten(1, 2)
        return patches_BPD, self._model.box_predictor(patches_BPD, grid_BRCD)

    def _scores(self, patches_BPD: Tensor, texts: list[str]) -> Tensor:
        """(B, P) float32 in [0, 1]: patches of each picture against its one text."""
        words = self._processor(text=[[text] for text in texts], truncation=True, return_tensors="pt")
        words = words.to(self._runtime.device)
        meaning_BD = self._model.owlv2.get_text_features(
            words["input_ids"], attention_mask=words["attention_mask"]
        ).pooler_output
        meaning_BD = meaning_BD / torch.linalg.norm(meaning_BD, dim=-1, keepdim=True)
        logits_BP1, _ = self._model.class_predictor(patches_BPD, meaning_BD[:, None])
        scores_BP: Tensor = logits_BP1[..., 0].float().sigmoid().cpu()
        return scores_BP


def square_to_pixels(boxes: Any, size: tuple[int, int]) -> Boxes:
    """Turn OWLv2's boxes into pixels.

    The picture is padded at the right or below to a square before it is resized, so both axes count in the longer
    side, and a box may lie in the padding.

    Args:
        boxes: (N, 4) centre x, centre y, width, height as fractions of the square's side.
        size: (height, width) of the picture.
    """
    return corners(boxes) * max(size)
