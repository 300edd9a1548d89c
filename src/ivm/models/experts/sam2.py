"""SAM 2 (arXiv 2408.00714) on single pictures, with the prompts and answers of SAM."""

from __future__ import annotations

from typing import Any

from ivm.core.errors import CheckpointError
from ivm.core.model import RGBImage
from ivm.models.experts.runtime import Runtime, running
from ivm.models.experts.sam import Sam, SamFeatures


class Sam2(Sam):
    """Makes one mask of several prompts.

    It squashes a picture to a square where SAM pads it, so logits are (S, S) for every picture.
    """

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join a `Sam2Model` and its `Sam2Processor`.

        Raises:
            CheckpointError: the processor makes pictures of another size than the model reads.
        """
        self.side: int = model.config.prompt_encoder_config.image_size
        size = processor.image_processor.size
        if (size["height"], size["width"]) != (self.side, self.side):
            raise CheckpointError(
                f"SAM 2 reads pictures of {self.side} pixels, but its processor makes others: get both from one folder"
            )
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime

    def _encode(self, image: RGBImage) -> SamFeatures:
        with running("SAM 2"):
            made = self._processor(images=image, input_data_format="channels_last", return_tensors="pt")
            pixels = made["pixel_values"].to(self._runtime.device, self._runtime.dtype)
            embedding = self._model.get_image_embeddings(pixels)
        return SamFeatures(embedding, image.shape[:2], (self.side, self.side))
