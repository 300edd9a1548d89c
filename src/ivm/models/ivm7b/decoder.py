"""The trained head: what the language model said, turned into a mask over SAM's features.

Shape suffixes: B questions, C channels, H and W cells of SAM's grid, T tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.sam.configuration_sam import SamMaskDecoderConfig
from transformers.models.sam.modeling_sam import SamFeedForward, SamLayerNorm, SamTwoWayTransformer

from ivm.models.ivm7b.config import DecoderConfig


class Projector(nn.Module):
    """From the language model's width to the decoder's."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(widths[0], widths[1]), nn.Linear(widths[1], widths[2])

    def forward(self, hidden: Tensor) -> Tensor:
        """Project hidden states (B, text width) to conditions (B, C)."""
        projected: Tensor = self.fc2(F.gelu(self.fc1(hidden)))
        return projected


class MaskDecoder(nn.Module):
    """SAM's two-way transformer over a mask token and one condition, and SAM's upscaling."""

    position: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width = config.width
        self.mask_tokens = nn.Embedding(config.tokens, width)
        self.register_buffer("position", torch.zeros(2, width // 2))
        sizes = SamMaskDecoderConfig(
            hidden_size=width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            mlp_dim=config.mlp,
            hidden_act="relu",
            layer_norm_eps=1e-5,  # as in SAM itself; the default of transformers is 1e-6
        )
        sizes._attn_implementation = "sdpa"
        self.transformer = SamTwoWayTransformer(sizes)
        self.upscale_conv1 = nn.ConvTranspose2d(width, width // 4, 2, 2)
        self.upscale_norm = SamLayerNorm(width // 4, data_format="channels_first")  # type: ignore[no-untyped-call]
        self.upscale_conv2 = nn.ConvTranspose2d(width // 4, width // 8, 2, 2)
        self.mlp = SamFeedForward(width, width, width // 8, 3)

    def forward(self, image_BCHW: Tensor, condition_BC: Tensor) -> Tensor:
        """Answer questions, each about its own row of image features.

        Args:
            image_BCHW: (B, C, H, W) float32, SAM's features.
            condition_BC: (B, C) float32, the projected hidden states.

        Returns:
            (B, 4H, 4W) float32 mask logits.
        """
        rows, _, height, width = image_BCHW.shape
        token_BTC = self.mask_tokens.weight.expand(rows, -1, -1)
        query_BTC = torch.cat([token_BTC, condition_BC[:, None]], dim=1)
        place = self._places(height, width).expand(rows, -1, -1, -1)
        # transformers has one more axis, for several prompts a picture.
        out, keys = self.transformer(query_BTC[:, None], image_BCHW, place, None)
        answer_BC = out[:, 0, : token_BTC.shape[1]].mean(dim=1)
        image_BCHW = keys[:, 0].transpose(1, 2).reshape(rows, -1, height, width)
        fine = F.gelu(self.upscale_norm(self.upscale_conv1(image_BCHW)))
        fine = F.gelu(self.upscale_conv2(fine))
        return torch.einsum("bc,bchw->bhw", self.mlp(answer_BC), fine)

    def _places(self, height: int, width: int) -> Tensor:
        """SAM's random Fourier encoding of the cells' centres: (1, C, H, W)."""
        y = (torch.arange(height).to(self.position) + 0.5) / height
        x = (torch.arange(width).to(self.position) + 0.5) / width
        centers = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        waves = (2 * centers - 1) @ self.position * (2 * math.pi)
        return torch.cat([waves.sin(), waves.cos()], dim=-1).permute(2, 0, 1)[None]
