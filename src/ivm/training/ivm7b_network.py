"""The forward pass of IVM-7B for training: whole prompts, so that gradients reach the adapters.

Shape suffixes: B samples, T tokens, C channels, S side of SAM's pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ivm.models.ivm7b.language import READ
from ivm.models.ivm7b.network import Ivm7bNetwork
from ivm.models.ivm7b.reading import MEAN, STD, Reader
from ivm.training.adapters import JUDGING, POINTING, active

QUESTION = "Everything that is not needed has been painted white. Can this still be done or answered: {instruction}"
"""What the discriminator is asked about a masked picture."""


def clip_pixels(reader: Reader, image: Tensor) -> Tensor:
    """Make CLIP's input (B, 3, h, w) float32 of pictures (B, S, S, 3) uint8, on their device."""
    pixels = [reader.pixels(Image.fromarray(picture)) for picture in image.cpu().numpy()]
    return torch.cat(pixels).to(image.device)


def sam_features(network: Ivm7bNetwork, image: Tensor) -> Tensor:
    """SAM's features (B, C, h, w) float32 of pictures (B, S, S, 3) uint8; no gradient."""
    mean, std = (torch.tensor(values, device=image.device)[:, None, None] for values in (MEAN, STD))
    pixels = (image.permute(0, 3, 1, 2).float() / 255 - mean) / std
    dtype = next(network.image_encoder.parameters()).dtype
    with torch.no_grad():
        found: Tensor = network.image_encoder(pixel_values=pixels.to(dtype)).last_hidden_state.float()
    return found


def image_tokens(network: Ivm7bNetwork, pixels: Tensor) -> Tensor:
    """What the language model reads of pictures (B, 3, h, w): (B, tokens, C); no gradient."""
    dtype = next(network.llava.vision_tower.parameters()).dtype
    with torch.no_grad():
        return torch.stack([network.image_tokens(one[None].to(dtype)) for one in pixels])


def answer(network: Ivm7bNetwork, reader: Reader, tokens_BTC: Tensor, texts: Sequence[str]) -> Tensor:
    """The language model's answers (B, C) float32: hidden states at the position that is read."""
    language = network.language_model
    device = tokens_BTC.device

    def embedded(ids: Sequence[int]) -> Tensor:
        found: Tensor = language.embed_tokens(torch.tensor([ids], device=device))[0]
        return found

    before = embedded(reader.prefix_ids)
    rows = [
        torch.cat([before, row.to(before.dtype), embedded(reader.suffix_ids(text))])
        for row, text in zip(tokens_BTC, texts, strict=True)
    ]
    longest = max(map(len, rows))
    padding = torch.tensor([longest - len(row) for row in rows], device=device)
    inputs = torch.stack([F.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
    places = torch.arange(longest, device=device)[None] - padding[:, None]
    out = language(
        inputs_embeds=inputs,
        attention_mask=(places >= 0).long(),
        position_ids=places.clamp(min=0),
        use_cache=False,
    )
    hidden: Tensor = out.last_hidden_state[:, READ].float()
    return hidden


def point(network: Ivm7bNetwork, reader: Reader, seen: Tensor, tokens: Tensor, instructions: Sequence[str]) -> Tensor:
    """Mask logits (B, 4h, 4w) float32 of SAM's features `seen` and the image's tokens."""
    with active(network.llava, POINTING):
        condition = network.projector(answer(network, reader, tokens, instructions))
    logits: Tensor = network.decoder(seen, condition)
    return logits.float()


class Judge(nn.Module):
    """The paper's discriminator: the language model, with adapters of its own, looks at the masked picture.

    Args:
        width: C, of the language model.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(width + 2, max(8, width // 4)), nn.GELU(), nn.Linear(max(8, width // 4), 1))

    def forward(
        self,
        network: Ivm7bNetwork,
        reader: Reader,
        pixels: Tensor,
        mask: Tensor,
        agreed: Tensor,
        instructions: Sequence[str],
    ) -> Tensor:
        """Return logits (B,) that a person drew each mask.

        Args:
            network: with adapters for judging.
            reader: of the same LLaVA.
            pixels: (B, 3, h, w), CLIP's input of the whole pictures.
            mask: (B, S, S) float in [0, 1]: the labels.
            agreed: (B, s, s) float in [0, 1], see `discriminator.agreement`.
            instructions: B texts.
        """
        kept = F.interpolate(mask[:, None], pixels.shape[2:], mode="area")
        white = _white(reader, pixels)
        tokens = image_tokens(network, pixels * kept + white * (1 - kept))
        texts = [QUESTION.format(instruction=text) for text in instructions]
        with active(network.llava, JUDGING):
            hidden = answer(network, reader, tokens, texts)
        logits: Tensor = self.head(torch.cat([hidden, _shares(mask, agreed)], 1))[:, 0]
        return logits


def _white(reader: Reader, like: Tensor) -> Tensor:
    """White in CLIP's numbers: (3, 1, 1)."""
    processor: Any = reader.image_processor
    mean, std = (torch.tensor(values).to(like)[:, None, None] for values in (processor.image_mean, processor.image_std))
    white: Tensor = (1 - mean) / std
    return white


def _shares(mask: Tensor, agreed: Tensor) -> Tensor:
    """(B, 2): how far the model agrees with the label inside and outside of it."""
    inside = F.interpolate(mask[:, None], agreed.shape[1:], mode="area")[:, 0].flatten(1)
    agreed, outside = agreed.flatten(1), 1 - inside
    told = [(agreed * part).sum(1) / part.sum(1).clamp(min=1) for part in (inside, outside)]
    return torch.stack(told, 1)
