"""What each tensor is called: in the network here, in IVM's released file, in SAM's, and in LLaVA's of any age."""

from __future__ import annotations

import re

_DECODER = (
    (r"decoder\.position$", "mask_decoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
    (r"decoder\.upscale_norm\.", "mask_decoder.output_upscaling.1."),
    (r"decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
    (r"decoder\.mlp\.proj_in\.", "mask_decoder.output_hypernetworks_mlps.layers.0."),
    (r"decoder\.mlp\.layers\.0\.", "mask_decoder.output_hypernetworks_mlps.layers.1."),
    (r"decoder\.mlp\.proj_out\.", "mask_decoder.output_hypernetworks_mlps.layers.2."),
    (r"decoder\.(.*)layer_norm", r"mask_decoder.\1norm"),
    (r"decoder\.", "mask_decoder."),
    (r"projector\.", "prompt_encoder.text_proj."),
    (r"llava\.language_model\.", "prompt_encoder.model.base_model.model.language_model.model."),
)
"""From the network's names to those of the released file; the first that fits counts."""

_SAM = (
    (r"^layers\.(\d+)\.layer_norm(\d)", r"blocks.\1.norm\2"),
    (r"^layers\.", "blocks."),
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^neck\.conv1\.", "neck.0."),
    (r"^neck\.layer_norm1\.", "neck.1."),
    (r"^neck\.conv2\.", "neck.2."),
    (r"^neck\.layer_norm2\.", "neck.3."),
)
"""From the names of transformers to those of SAM's own files."""

_WRAPPERS = ("module.", "model.")
"""What training frameworks put before every name."""


def trained_key(name: str) -> str:
    """Name in IVM's released file of a trained tensor of the network."""
    return _first(_DECODER, name)


def released(key: str) -> str:
    """Bring a key of an IVM file to the released form: newer transformers swap `language_model` and `model`."""
    return key.replace(".base_model.model.model.language_model.", ".base_model.model.language_model.model.")


def sam_key(name: str) -> str:
    """Name in SAM's own file of a tensor of the image encoder."""
    return "image_encoder." + _first(_SAM, name.removeprefix("image_encoder."))


def sam_hub_key(name: str) -> str:
    """Name in a Hugging Face folder of SAM of a tensor of the image encoder."""
    return "vision_encoder." + name.removeprefix("image_encoder.")


def llava_key(name: str) -> str:
    """One name for a tensor of LLaVA, whichever generation of transformers wrote or built it.

    Up to 4.51 files say `language_model.model.layers`, later ones `model.language_model.layers`; CLIP has an inner
    `vision_model` or not; adapters wrap what they adapt as `base_layer`.
    """
    name = name.removeprefix("llava.").removeprefix("model.").replace(".base_layer.", ".")
    name = name.replace("language_model.model.", "language_model.", 1).replace(
        "vision_tower.vision_model.", "vision_tower."
    )
    return "lm_head.weight" if name == "language_model.lm_head.weight" else name


def unwrapped(keys: list[str]) -> str:
    """The prefix that a framework put before all of an IVM file's keys, or nothing."""
    prefix = ""
    while wrapper := next((w for w in _WRAPPERS if keys and all(key.startswith(prefix + w) for key in keys)), None):
        prefix += wrapper
    return prefix


def is_fam(keys: list[str]) -> bool:
    """Whether keys are those of the early variants, which asked T5 instead of LLaVA."""
    telling = re.compile(r"language_encoder|condition_proj|visual_proj|encoder\.block\.\d|\bt5\b", re.IGNORECASE)
    decoder = any("mask_decoder." in key for key in keys)
    adapters = any(".lora_" in key for key in keys)
    return any(map(telling.search, keys)) or (decoder and not adapters and not any("llava" in key for key in keys))


def _first(rules: tuple[tuple[str, str], ...], name: str) -> str:
    return next((re.sub(pattern, new, name, count=1) for pattern, new in rules if re.match(pattern, name)), name)
