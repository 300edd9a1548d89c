"""The whole network, composed of SAM's image encoder, LLaVA without its vocabulary head, projector and decoder."""

from __future__ import annotations

import re
from typing import Any

from accelerate import init_empty_weights  # type: ignore[import-untyped]
from torch import Tensor, nn
from transformers import LlavaConfig, LlavaModel, SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder

from ivm.models.ivm7b.config import Ivm7bConfig, LoraSizes
from ivm.models.ivm7b.decoder import MaskDecoder, Projector

TRAINED = re.compile(r"projector\.|decoder\.|.*\.lora_[AB]\.")
"""Begin of the names of what IVM's own checkpoint holds; the rest is SAM's and LLaVA's."""


class Ivm7bNetwork(nn.Module):
    """All parts; `model.Ivm7b` asks them in the order that saves most."""

    def __init__(self, config: Ivm7bConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = SamVisionEncoder(SamVisionConfig(**config.sam))
        self.llava = LlavaModel(LlavaConfig.from_dict(config.llava))
        if config.lora is not None:
            _adapt(self.llava, config.lora)
        self.projector = Projector(config.projector)
        self.decoder = MaskDecoder(config.decoder)

    @property
    def language_model(self) -> Any:
        """LLaVA's decoder layers with their embedding and last norm."""
        return self.llava.language_model

    def image_tokens(self, pixels: Tensor) -> Tensor:
        """Turn a picture into what the language model reads of it.

        Args:
            pixels: (1, 3, h, w), as LLaVA's processor makes them.

        Returns:
            (tokens, text width).
        """
        found = self.llava.get_image_features(pixel_values=pixels, return_dict=True)
        tokens: Tensor = getattr(found, "pooler_output", found)[0]
        return tokens


def empty_network(config: Ivm7bConfig) -> Ivm7bNetwork:
    """Build a network whose parameters take no memory: they are on "meta" until `filling` puts them in place."""
    with init_empty_weights(include_buffers=False):
        network = Ivm7bNetwork(config)
    return network.eval().requires_grad_(False)


def _adapt(llava: LlavaModel, lora: LoraSizes) -> None:
    """Put adapters beside the language model's projections; CLIP's have the same names and stay as they are."""
    from peft import LoraConfig, inject_adapter_in_model

    targets = rf"language_model\.layers\.\d+\..*\.({'|'.join(lora.targets)})"
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, bias="none", target_modules=targets)
    inject_adapter_in_model(config, llava, low_cpu_mem_usage=True)
