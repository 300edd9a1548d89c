"""IVM-7B as a `MaskModel`: a picture is encoded once, then any number of questions go through in batches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ivm.core.errors import ModelError
from ivm.core.model import Prediction, RGBImage
from ivm.models.ivm7b.language import Prefix, continue_prefix, record_prefix
from ivm.models.ivm7b.network import Ivm7bNetwork
from ivm.models.ivm7b.plan import MemoryPlan
from ivm.models.ivm7b.reading import Reader, pad_left, sam_pixels, squashed

MAX_ROWS = 16
"""Questions that go through at once."""

KEPT = 4
"""Pictures whose prefix is kept at once: each takes 0.3 GB in 16 bits at full size."""


@dataclass(slots=True, eq=False)
class Ivm7bFeatures:
    """One encoded picture."""

    image_1CHW: Tensor
    """SAM's features, float32."""
    embedded_1PC: Tensor
    """The prompt's begin, with the picture's tokens in it."""
    prefix: Prefix | None
    """What the language model remembers of it; None where it is worked out when asked, to bound the memory."""


class Ivm7b:
    """The paper's model on PyTorch."""

    name = "ivm-7b"

    def __init__(
        self, network: Ivm7bNetwork, reader: Reader, *, device: torch.device, dtype: torch.dtype, plan: MemoryPlan
    ) -> None:
        """Take a network whose weights are in place.

        Args:
            network: in evaluation mode.
            reader: of the same LLaVA.
            device: where it computes; weights may come from elsewhere.
            dtype: of SAM's and LLaVA's activations; projector and decoder work in float32.
            plan: what the weights take where.
        """
        self.network, self.reader, self.plan = network, reader, plan
        self.device, self.dtype = device, dtype

    @torch.no_grad()
    def encode(self, images: Sequence[RGBImage]) -> list[Ivm7bFeatures]:
        """Read pictures of any size; see `MaskModel.encode`.

        Of more than `KEPT` pictures, the language model's memory of the later ones is worked out when it is needed.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            ModelError: there is not enough memory.
        """
        with _memory_errors():
            return [self._encode(image, keep=place < KEPT) for place, image in enumerate(images)]

    @torch.no_grad()
    def predict(self, features: Sequence[Ivm7bFeatures], instructions: Sequence[str]) -> Prediction:
        """Answer one checked instruction per features; see `MaskModel.predict`.

        Returns:
            logits (N, h, w) float32 on four times SAM's grid, and presence (N,), here the highest probability of any
            pixel: the released model has no head for it, so it is not calibrated.

        Raises:
            ModelError: there is not enough memory.
        """
        grid = 4 * self.network.config.sam["image_size"] // self.network.config.sam["patch_size"]
        logits = np.zeros((len(features), grid, grid), np.float32)
        with _memory_errors():
            for chunk in _chunks(features):
                logits[chunk] = self._logits(features[chunk], instructions[chunk]).cpu().numpy()
        highest = logits.max(axis=(1, 2)).astype(np.float64)
        return Prediction(list(logits), (1 / (1 + np.exp(-highest))).astype(np.float32))

    def hidden(self, features: Sequence[Ivm7bFeatures], instructions: Sequence[str]) -> Tensor:
        """The language model's answers: (N, text width), after its last norm, at the position that is read."""
        prefixes = {id(one): one.prefix or self._prefix(one) for one in features}
        rows = [self.reader.suffix_ids(instruction) for instruction in instructions]
        ids = pad_left(rows, filler=0).to(self.device)
        language = self.network.language_model
        embedded = language.embed_tokens(ids)
        return continue_prefix(language, [prefixes[id(one)] for one in features], embedded, [len(row) for row in rows])

    def _encode(self, image: RGBImage, keep: bool) -> Ivm7bFeatures:
        picture = squashed(image, self.network.config.sam["image_size"])
        pixels = sam_pixels(picture).to(self.device, self.dtype)
        seen = self.network.image_encoder(pixel_values=pixels).last_hidden_state.float()
        tokens = self.network.image_tokens(self.reader.pixels(picture).to(self.device, self.dtype))
        before = self.network.language_model.embed_tokens(torch.tensor([self.reader.prefix_ids], device=self.device))
        features = Ivm7bFeatures(seen, torch.cat([before, tokens[None].to(before.dtype)], dim=1), None)
        if keep:
            features.prefix = self._prefix(features)
        return features

    def _prefix(self, features: Ivm7bFeatures) -> Prefix:
        return record_prefix(self.network.language_model, features.embedded_1PC)

    def _logits(self, features: Sequence[Ivm7bFeatures], instructions: Sequence[str]) -> Tensor:
        condition = self.network.projector(self.hidden(features, instructions).float())
        logits: Tensor = self.network.decoder(torch.cat([one.image_1CHW for one in features]), condition)
        return logits


def _chunks(features: Sequence[Ivm7bFeatures]) -> Iterator[slice]:
    """Cut questions into runs of at most `MAX_ROWS` about at most `KEPT` pictures."""
    start = 0
    seen: set[int] = set()
    for place, one in enumerate(features):
        seen.add(id(one))
        if len(seen) > KEPT or place - start == MAX_ROWS:
            yield slice(start, place)
            start, seen = place, {id(one)}
    if start < len(features):
        yield slice(start, len(features))


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Turn PyTorch's lack of memory into this package's error."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "not enough memory" not in str(error):
            raise
        raise ModelError(
            "IVM-7B ran out of memory: ask fewer questions at once, use a 16-bit dtype or quantize='int8', or "
            "load with low_gpu_memory=True"
        ) from error
