"""Sizes of an IVM-7B: the v1.0 preset, and how sizes are read off the tensors of other checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivm.core.errors import CheckpointError

Shapes = Mapping[str, Sequence[int]]
"""Names of tensors and their shapes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """Sizes of the mask decoder."""

    width: int = 256
    depth: int = 2
    heads: int = 8
    mlp: int = 2048
    tokens: int = 1
    """Mask tokens, whose outputs are averaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraSizes:
    """The low-rank adapters on the language model."""

    rank: int = 8
    alpha: int = 16
    targets: tuple[str, ...] = ("q_proj", "v_proj")


SAM_VIT_H: dict[str, Any] = {
    "image_size": 1024,
    "patch_size": 16,
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "mlp_dim": 5120,
    "window_size": 14,
    "global_attn_indexes": [7, 15, 23, 31],
    "output_channels": 256,
}
"""As `transformers.SamVisionConfig` takes them."""

LLAVA_1_5_7B: dict[str, Any] = {
    "model_type": "llava",
    "image_token_index": 32000,
    "pad_token_id": 32001,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
    "text_config": {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "vocab_size": 32064,
    },
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
        "projection_dim": 768,
    },
}
"""As `transformers.LlavaConfig` takes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ivm7bConfig:
    """Sizes of a whole model; the default is the released v1.0.

    Attributes:
        sam: keyword arguments of `transformers.SamVisionConfig`.
        llava: `config.json` of a LLaVA-1.5.
        decoder: the mask decoder.
        projector: widths from LLaVA's text to the decoder.
        lora: the adapters; None where they are merged into the weights.
    """

    sam: dict[str, Any] = field(default_factory=lambda: dict(SAM_VIT_H))
    llava: dict[str, Any] = field(default_factory=lambda: dict(LLAVA_1_5_7B))
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    projector: tuple[int, int, int] = (4096, 2048, 256)
    lora: LoraSizes | None = field(default_factory=LoraSizes)

    def __post_init__(self) -> None:
        """Check that the parts fit each other.

        Raises:
            CheckpointError: they do not; the message says which.
        """
        text = self.llava.get("text_config", {}).get("hidden_size", 4096)
        if self.projector[0] != text:
            raise CheckpointError(
                f"The checkpoint was trained on a LLaVA of text width {self.projector[0]}, not {text}: give that LLaVA "
                "(for the released model llava-hf/llava-1.5-7b-hf)"
            )
        if self.sam["output_channels"] != self.decoder.width:
            raise CheckpointError(
                f"The checkpoint was trained on a SAM with {self.decoder.width} output channels, not "
                f"{self.sam['output_channels']}: give that SAM (for the released model ViT-H)"
            )
        if self.decoder.width % self.decoder.heads or self.decoder.width % 8:
            raise CheckpointError(
                f"A mask decoder of width {self.decoder.width} cannot have {self.decoder.heads} heads"
            )


PRESETS: dict[str, Ivm7bConfig] = {"ivm-v1.0": Ivm7bConfig()}
"""Architectures by name."""


def dimension(shapes: Shapes, pattern: str, axis: int, default: int) -> int:
    """One side of the first tensor whose name fits a regular expression, or a default where there is none."""
    matcher = re.compile(pattern)
    fits = (shape for name, shape in shapes.items() if matcher.search(name) and len(shape) > axis)
    return next((int(shape[axis]) for shape in fits), default)


def count(shapes: Shapes, pattern: str, default: int) -> int:
    """One more than the highest number that the group of a regular expression matches in any name."""
    numbers = [int(found.group(1)) for found in map(re.compile(pattern).search, shapes) if found]
    return max(numbers) + 1 if numbers else default


def decoder_sizes(shapes: Shapes, heads: int) -> DecoderConfig:
    """Read the decoder's sizes off a trained checkpoint; its heads leave no trace in the shapes."""
    return DecoderConfig(
        width=dimension(shapes, r"mask_decoder\.mask_tokens\.weight", 1, 256),
        depth=count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\.", 2),
        heads=heads,
        mlp=dimension(shapes, r"mask_decoder\.transformer\.layers\.\d+\.mlp\.lin1\.weight", 0, 2048),
        tokens=dimension(shapes, r"mask_decoder\.mask_tokens\.weight", 0, 1),
    )


def projector_sizes(shapes: Shapes) -> tuple[int, int, int]:
    """Read the projector's widths off a trained checkpoint."""
    fc1, fc2 = r"text_proj\.fc1\.weight", r"text_proj\.fc2\.weight"
    return dimension(shapes, fc1, 1, 4096), dimension(shapes, fc1, 0, 2048), dimension(shapes, fc2, 0, 256)


def lora_sizes(shapes: Shapes) -> LoraSizes:
    """Read the adapters' sizes off a trained checkpoint; the original's alpha is always twice the rank."""
    rank = dimension(shapes, r"\.lora_A\.", 0, 8)
    found = {match.group(1) for match in map(re.compile(r"\.(\w+)\.lora_[AB]\.").search, shapes) if match}
    return LoraSizes(rank=rank, alpha=2 * rank, targets=tuple(sorted(found)) or LoraSizes().targets)


def sam_sizes(shapes: Shapes) -> dict[str, Any]:
    """Read the image encoder's sizes off its tensors, whichever of both ways they are named.

    Returns:
        Keyword arguments of `transformers.SamVisionConfig`.
    """
    patch = dimension(shapes, r"patch_embed\.(proj|projection)\.weight", 2, 16)
    grid = dimension(shapes, r"pos_embed", 1, 64)
    width = dimension(shapes, r"pos_embed", 3, 1280)
    layers = count(shapes, r"(?:blocks|layers)\.(\d+)\.", 32)
    spans = [dimension(shapes, rf"(?:blocks|layers)\.{i}\.attn\.rel_pos_h", 0, 27) // 2 + 1 for i in range(layers)]
    return {
        "image_size": grid * patch,
        "patch_size": patch,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // dimension(shapes, r"attn\.rel_pos_h", 1, 80)),
        "mlp_dim": dimension(shapes, r"mlp\.lin1\.weight", 0, 4 * width),
        "window_size": next((span for span in spans if span != grid), 14),
        "global_attn_indexes": [i for i, span in enumerate(spans) if span == grid],
        "output_channels": dimension(shapes, r"neck\.(0|conv1)\.weight", 0, 256),
    }
