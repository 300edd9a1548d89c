"""SAM 3 (arXiv 2511.16719): text in, masks out; the picture is encoded without the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ivm.core.model import Prediction, RGBImage
from ivm.models.experts.runtime import Runtime, running
from ivm.models.experts.sam import EMPTY

THRESHOLD = 0.3
"""As transformers: things that score more are in the mask."""

LONGEST = 32
"""Tokens that its text encoder was trained with."""


class Sam3:
    """The `MaskModel` of SAM 3; presence is the best thing's score, which is not calibrated.

    It squashes a picture to a square, so its logits are the whole picture.
    """

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join a `Sam3Model` and its `Sam3Processor`."""
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime

    def encode(self, images: Sequence[RGBImage]) -> list[Any]:
        """Run the image encoder, a picture at a time; see `MaskModel.encode`.

        Raises:
            ModelError: the network failed.
        """
        return [self._encode(image) for image in images]

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        """Find all things that a text means, and unite their masks; see `MaskModel.predict`.

        Returns:
            logits (h, w) float32 each, -10 everywhere where nothing is sure enough, and presence (N,).

        Raises:
            ModelError: the network failed.
        """
        logits, presence = [], []
        for one, text in zip(features, instructions, strict=True):
            with running(self.name):
                scores, masks = self._things(one, text)
            sure = masks[scores > THRESHOLD]
            logits.append((sure.amax(dim=0) if len(sure) else torch.full_like(masks[0], EMPTY)).numpy())
            presence.append(float(scores.max()))
        return Prediction(logits, np.array(presence, np.float32))

    def _encode(self, image: RGBImage) -> Any:
        with running(self.name):
            made = self._processor.image_processor(image, input_data_format="channels_last", return_tensors="pt")
            pixels = made["pixel_values"].to(self._runtime.device, self._runtime.dtype)
            return self._model.get_vision_features(pixels)

    def _things(self, features: Any, text: str) -> tuple[Tensor, Tensor]:
        """Scores (Q,) in [0, 1] and mask logits (Q, h, w) of everything that may be meant."""
        words = self._processor.tokenizer(
            text, padding="max_length", truncation=True, max_length=LONGEST, return_tensors="pt"
        ).to(self._runtime.device)
        seen = self._model(vision_embeds=features, input_ids=words.input_ids, attention_mask=words.attention_mask)
        scores = seen.pred_logits[0].float().sigmoid() * seen.presence_logits[0].float().sigmoid()
        return scores.cpu(), seen.pred_masks[0].float().cpu()
