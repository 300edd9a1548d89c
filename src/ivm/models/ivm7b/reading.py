"""What the model reads: one squashed picture for both encoders, and the prompt around the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ivm.core.errors import CheckpointError
from ivm.core.hub import PROCESSOR, missing_files
from ivm.core.model import RGBImage

PROMPT = "USER: {image}\n{instruction} \n ASSISTANT:"
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

PROCESSOR_FILES = (
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.json",
    "chat_template.jinja",
)
"""Files of a LLaVA folder that say how to read pictures and text; not every folder has all."""

READER_NEEDS = (PROCESSOR, "tokenizer.json|tokenizer.model")
"""Those without which nothing is read, as `core.hub.missing_files` takes them."""


def squashed(image: RGBImage, size: int) -> Image.Image:
    """Resize a picture (H, W, 3) uint8 to (size, size), as the original does: its aspect is not kept."""
    return Image.fromarray(np.ascontiguousarray(image)).resize((size, size), Image.Resampling.BICUBIC)


def sam_pixels(picture: Image.Image) -> Tensor:
    """Turn a squashed picture into SAM's input: (1, 3, size, size) float32, normalised."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div_(255)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return ((pixels - mean) / std)[None]


class Reader:
    """LLaVA's tokenizer and image processor, from its folder."""

    def __init__(self, tokenizer: Any, image_processor: Any, image_token_id: int) -> None:
        self.tokenizer, self.image_processor = tokenizer, image_processor
        self.image_token: str = tokenizer.convert_ids_to_tokens(image_token_id)
        self.image_token_id = image_token_id
        self.prefix_ids = self._ids("x")[0]

    @classmethod
    def open(cls, folder: Path, image_token_id: int) -> Reader:
        """Read a folder's processor files.

        Raises:
            CheckpointError: they are missing or damaged, or do not know the picture's token.
        """
        if missing := missing_files(folder, READER_NEEDS):
            raise CheckpointError(
                f"{folder} holds no {missing[0]}: copy the processor's files "
                "(preprocessor_config.json, tokenizer.json, tokenizer_config.json) of that LLaVA there"
            )
        from transformers import AutoImageProcessor, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            # The original's numbers come from Pillow's resize, not from torchvision's.
            load: Any = AutoImageProcessor.from_pretrained
            image_processor = load(folder, local_files_only=True, backend="pil")
            return cls(tokenizer, image_processor, image_token_id)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from None
        except Exception as error:  # whatever a damaged file makes the libraries raise
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"The processor's files in {folder} are damaged: {reason}") from error

    def pixels(self, picture: Image.Image) -> Tensor:
        """Turn a squashed picture into CLIP's input: (1, 3, h, w) float32."""
        pixels: Tensor = self.image_processor(images=picture, return_tensors="pt")["pixel_values"]
        return pixels

    def suffix_ids(self, instruction: str) -> list[int]:
        """Token ids of the prompt after the picture."""
        return self._ids(instruction)[1]

    def _ids(self, instruction: str) -> tuple[list[int], list[int]]:
        """Token ids of the prompt before and after the picture; tokenized as a whole, as the original does."""
        # The picture's token is no word that a person could mean.
        clean = instruction.replace(self.image_token, self.image_token.strip("<>"))
        ids: list[int] = self.tokenizer(PROMPT.format(image=self.image_token, instruction=clean)).input_ids
        if ids.count(self.image_token_id) != 1:
            raise CheckpointError(
                f"The tokenizer does not know token {self.image_token_id} as that of the picture: "
                "take config.json and tokenizer from the same LLaVA"
            )
        place = ids.index(self.image_token_id)
        return ids[:place], ids[place + 1 :]


def pad_left(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    """Stack token ids of several lengths, padded on the left: (N, longest) int64."""
    longest = max(map(len, rows))
    return torch.tensor([[filler] * (longest - len(row)) + list(row) for row in rows])
