"""SAM with boxes or points as prompts. A picture goes through the large image encoder once, then prompts are cheap.

Letters of shapes: N prompts, S side of the padded square that SAM reads, G side of its mask grid (S / 4), h and w the
picture's size inside the square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ivm.core.errors import CheckpointError
from ivm.core.model import RGBImage
from ivm.models.experts.boxes import Boxes
from ivm.models.experts.points import Points
from ivm.models.experts.runtime import Runtime, running

PROMPTS_AT_ONCE = 8
"""Masks that are held at full size together: 4 MiB each."""

EMPTY = -10.0
"""The logit of every pixel where there is no prompt: a heatmap of 0.00005."""


class SamFeatures(NamedTuple):
    """One encoded picture."""

    embedding: Any
    """(1, C, S / 16, S / 16), of the model's dtype; SAM 2 has a list, of finer grids too."""
    size: tuple[int, int]
    """(height, width) of the picture."""
    resized: tuple[int, int]
    """(h, w): the picture's size at the top left of the padded square."""


class Sam:
    """Makes one mask of several prompts."""

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join a `SamModel` and its `SamProcessor`.

        Raises:
            CheckpointError: the processor makes pictures of another size than the model reads.
        """
        self.side: int = model.config.prompt_encoder_config.image_size
        images = processor.image_processor
        if {images.pad_size["height"], images.pad_size["width"], images.size["longest_edge"]} != {self.side}:
            raise CheckpointError(
                f"SAM reads pictures of {self.side} pixels, but its processor makes others: get both from one folder"
            )
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime

    def encode(self, images: Sequence[RGBImage]) -> list[SamFeatures]:
        """Run the image encoder, a picture at a time: it is what fills the memory.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            ModelError: the network failed.
        """
        return [self._encode(image) for image in images]

    def masks(self, features: SamFeatures, boxes: Boxes) -> NDArray[np.float32]:
        """Segment what is in each box, and unite.

        Args:
            features: of the picture.
            boxes: (N, 4) float32 x0, y0, x1, y1 in its pixels.

        Returns:
            (h, w) float32 logits over the whole picture: the greatest of the boxes' masks at each pixel; `EMPTY`
            everywhere where there is no box.

        Raises:
            ModelError: the network failed.
        """
        return self._union(features, "input_boxes", scale_boxes(boxes, features.size, features.resized))

    def masks_at(self, features: SamFeatures, points: Points) -> NDArray[np.float32]:
        """Segment what is at each point, and unite.

        A point may mean a part or the whole, so SAM proposes several masks: the one that it holds for the best counts.

        Args:
            features: of the picture.
            points: (N, 2) float32 x, y in its pixels.

        Returns:
            As `masks`.

        Raises:
            ModelError: the network failed.
        """
        scaled = np.asarray(points, np.float32).reshape(-1, 2) * _factors(features.size, features.resized)
        return self._union(features, "input_points", scaled[:, None])

    def _union(self, features: SamFeatures, kind: str, prompts: NDArray[np.float32]) -> NDArray[np.float32]:
        """(h, w) logits, the greatest of all prompts' masks at each pixel."""
        if len(prompts) == 0:
            return np.full(features.resized, EMPTY, np.float32)
        union = torch.full(features.resized, -torch.inf)
        with running("SAM"):
            for start in range(0, len(prompts), PROMPTS_AT_ONCE):
                some = torch.from_numpy(prompts[start : start + PROMPTS_AT_ONCE])
                union = torch.maximum(union, self._masks(features, kind, some))
        return union.numpy()

    def _encode(self, image: RGBImage) -> SamFeatures:
        with running("SAM"):
            inputs = self._processor(images=image, input_data_format="channels_last", return_tensors="pt")
            pixels = inputs["pixel_values"].to(self._runtime.device, self._runtime.dtype)
            embedding = self._model.get_image_embeddings(pixels)
        height, width = (int(side) for side in inputs["reshaped_input_sizes"][0])
        return SamFeatures(embedding, image.shape[:2], (height, width))

    def _masks(self, features: SamFeatures, kind: str, prompts: Tensor) -> Tensor:
        """(h, w) logits of a few prompts (N, ...) that are in the square's pixels already."""
        seen = self._model(
            image_embeddings=features.embedding,
            multimask_output=kind == "input_points",
            **{kind: prompts[None].to(self._runtime.device, self._runtime.dtype)},
        )
        # Of the masks that are proposed for a prompt, one for a box.
        best_N = seen.iou_scores[0].argmax(dim=-1)
        grid_NGG = seen.pred_masks[0][torch.arange(len(best_N), device=best_N.device), best_N]
        # As SAM does it: first up to the square, then cut the padding away. The other way round moves edges.
        square_N1SS = interpolate(grid_NGG[:, None].float(), (self.side, self.side), mode="bilinear")
        height, width = features.resized
        return square_N1SS[:, 0, :height, :width].amax(dim=0).cpu()


def scale_boxes(boxes: Boxes, size: tuple[int, int], resized: tuple[int, int]) -> Boxes:
    """Move boxes from a picture to the same picture resized; padding at the right and below moves nothing.

    Args:
        boxes: (N, 4) x0, y0, x1, y1.
        size: (height, width) that the boxes are in.
        resized: (height, width) wanted.
    """
    return np.asarray(boxes, np.float32).reshape(-1, 4) * np.tile(_factors(size, resized), 2)


def _factors(size: tuple[int, int], resized: tuple[int, int]) -> NDArray[np.float32]:
    """What x and y are multiplied with from one (height, width) to the other."""
    return np.array([resized[1] / size[1], resized[0] / size[0]], np.float32)
