"""Qwen2.5-VL (arXiv 2502.13923) and Qwen3-VL as detectors: they are asked for boxes, and answer in JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ivm.core.model import RGBImage
from ivm.models.experts.boxes import Boxes, Detections, in_picture
from ivm.models.experts.runtime import Runtime, running

PROMPT = (
    "Locate everything in the image that this needs: {}. Answer with a JSON list only, one object a thing, each with "
    'the keys "bbox_2d", [x1, y1, x2, y2], and "label"; with [] if it is not in the image.'
)
LONGEST = 512
"""Tokens of an answer at most."""

BINS = 1000
"""Qwen3-VL counts from 0 to here across or down the picture, Qwen2.5-VL in pixels of what it reads."""

_FENCE = re.compile(r"\s*```(?:json)?\s*(?P<inside>.*?)\s*```\s*", re.DOTALL)


class QwenVl:
    """Text to boxes; all boxes of an answer share its confidence, the geometric mean of its tokens' probabilities.

    The positions of the language half depend on the picture's grid, so nothing is worked out ahead of a question.
    """

    threshold = 0.0
    """It names only what it found."""

    def __init__(self, model: Any, processor: Any, runtime: Runtime, *, name: str) -> None:
        """Join a `Qwen2_5_VLForConditionalGeneration` or a `Qwen3VLForConditionalGeneration` and its processor."""
        self.name = name
        self._model, self._processor, self._runtime = model, processor, runtime
        self._in_bins = model.config.model_type.startswith("qwen3")

    def encode(self, images: Sequence[RGBImage]) -> list[RGBImage]:
        """Return the pictures, (H, W, 3) uint8 RGB each."""
        return list(images)

    def detect(self, features: Sequence[RGBImage], texts: Sequence[str]) -> list[Detections]:
        """Find boxes for each text.

        Raises:
            ModelError: the network failed.
        """
        return [self._detect(image, text) for image, text in zip(features, texts, strict=True)]

    def _detect(self, image: RGBImage, text: str) -> Detections:
        asked = [{"type": "image", "image": Image.fromarray(image)}, {"type": "text", "text": PROMPT.format(text)}]
        with running(self.name):
            inputs = self._processor.apply_chat_template(
                [{"role": "user", "content": asked}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            ).to(self._runtime.device, self._runtime.dtype)
            out = self._model.generate(
                **inputs, max_new_tokens=LONGEST, do_sample=False, output_scores=True, return_dict_in_generate=True
            )
            chances = self._model.compute_transition_scores(out.sequences, out.scores, normalize_logits=True)
        answer = self._processor.decode(out.sequences[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        boxes = read_boxes(answer) * self._scale(inputs["image_grid_thw"][0].tolist(), image.shape[:2])
        return in_picture(boxes, np.full(len(boxes), float(chances[0].float().mean().exp())), image.shape[:2])

    def _scale(self, grid: list[int], size: tuple[int, int]) -> Boxes:
        """What an answer's x0, y0, x1, y1 are multiplied with to be pixels of the picture."""
        patch = self._processor.image_processor.patch_size
        read = (BINS, BINS) if self._in_bins else (grid[1] * patch, grid[2] * patch)
        return np.array([size[1] / read[1], size[0] / read[0]] * 2, np.float32)


def read_boxes(answer: str) -> Boxes:
    """Read the boxes of an answer: (N, 4) x0, y0, x1, y1 as it gives them.

    An answer is generated text: what is no JSON list has no boxes, and an entry that is no proper box is left out.
    """
    fenced = _FENCE.fullmatch(answer)
    try:
        told = json.loads(fenced["inside"] if fenced else answer)
    except (ValueError, RecursionError):
        told = None
    entries = [entry.get("bbox_2d") for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    return np.array([entry for entry in entries if _is_box(entry)], np.float32).reshape(-1, 4)


def _is_box(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != 4:
        return False
    if not all(isinstance(side, int | float) and not isinstance(side, bool) for side in entry):
        return False
    if not all(abs(side) < 1e6 and math.isfinite(side) for side in entry):
        return False
    return bool(entry[0] < entry[2] and entry[1] < entry[3])
