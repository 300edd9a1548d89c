"""CLIPSeg (arXiv 2112.10003): text in, heatmap out, in one small network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivm.core.errors import CheckpointError
from ivm.core.model import Prediction, RGBImage
from ivm.models.experts.runtime import Runtime, running

PICTURES_AT_ONCE = 16
"""Pictures or questions that go through the network together; more are taken in turns, so memory stays bounded."""


class ClipSeg:
    """The `MaskModel` of CLIPSeg.

    Presence is the greatest value of the heatmap, which is not a calibrated probability. The network squashes a
    picture to a square, so its logits (352, 352) are the whole picture.
    """

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join a `CLIPSegForImageSegmentation` and its `CLIPSegProcessor`.

        Raises:
            CheckpointError: the processor does not make squares of whole patches, which the decoder needs.
        """
        size, patch = processor.image_processor.size, model.config.vision_config.patch_size
        sides = (size.get("height"), size.get("width"))
        if sides[0] != sides[1] or not sides[0] or sides[0] % patch:
            raise CheckpointError(
                f"CLIPSeg reads squares of whole patches of {patch} pixels, but its processor makes {dict(size)}: "
                "get both from one folder"
            )
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime

    def encode(self, images: Sequence[RGBImage]) -> list[tuple[Tensor, ...]]:
        """Run CLIP's image encoder; see `MaskModel.encode`.

        Returns:
            The layers' activations (1 + patches, width) that the decoder reads, per picture.

        Raises:
            ModelError: the network failed.
        """
        features: list[tuple[Tensor, ...]] = []
        for start in range(0, len(images), PICTURES_AT_ONCE):
            some = list(images[start : start + PICTURES_AT_ONCE])
            with running(self.name):
                inputs = self._processor(images=some, input_data_format="channels_last", return_tensors="pt")
                pixels = inputs["pixel_values"].to(self._runtime.device, self._runtime.dtype)
                layers = self._layers(pixels)
            features += zip(*(layer.unbind() for layer in layers), strict=True)
        return features

    def predict(self, features: Sequence[tuple[Tensor, ...]], instructions: Sequence[str]) -> Prediction:
        """Decode one heatmap a question; see `MaskModel.predict`.

        Returns:
            logits, N of (side, side) float32, and presence (N,) float32, the heatmaps' greatest values.

        Raises:
            ModelError: the network failed.
        """
        maps = []
        for start in range(0, len(instructions), PICTURES_AT_ONCE):
            some = slice(start, start + PICTURES_AT_ONCE)
            with running(self.name):
                layers = [torch.stack(layer) for layer in zip(*features[some], strict=True)]
                maps.append(self._decode(layers, list(instructions[some])))
        logits = torch.cat(maps) if maps else torch.zeros((0, 1, 1))
        return Prediction(list(logits.numpy()), logits.amax(dim=(1, 2)).sigmoid().numpy())

    def _layers(self, pixels: Tensor) -> list[Tensor]:
        """The activations (B, 1 + patches, width) after the layers that the configuration names."""
        seen = self._model.clip.get_image_features(
            pixel_values=pixels, interpolate_pos_encoding=True, output_hidden_states=True
        )
        return [seen.hidden_states[layer + 1] for layer in self._model.extract_layers]

    def _decode(self, layers: list[Tensor], texts: list[str]) -> Tensor:
        """(B, side, side) float32 logits."""
        words = self._processor(text=texts, padding=True, truncation=True, return_tensors="pt").to(self._runtime.device)
        meaning = self._model.clip.get_text_features(words["input_ids"], attention_mask=words["attention_mask"])
        logits: Tensor = self._model.decoder(layers, meaning.pooler_output).logits
        # The decoder's squeeze() drops nothing but its one channel: (B, side, side) also for a single question.
        return logits.float().cpu()
