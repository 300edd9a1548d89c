"""A tiny IVM-7B of random weights in the original's layout: three sources, as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file

from ivm.models.ivm7b.config import DecoderConfig, Ivm7bConfig, LoraSizes
from ivm.models.ivm7b.names import llava_key, sam_key, trained_key
from ivm.models.ivm7b.network import TRAINED, empty_network

WORDS = "pick up the red cup where can i sit put duck on green plate a blue pan left of image USER : ASSISTANT ?"

CONFIG = Ivm7bConfig(
    sam={
        "image_size": 64,
        "patch_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_dim": 32,
        "window_size": 3,
        "global_attn_indexes": [1],
        "output_channels": 32,
    },
    llava={
        "model_type": "llava",
        "image_token_index": 63,
        "pad_token_id": 0,
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "torch_dtype": "float32",
        "text_config": {
            "model_type": "llama",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 128,
            "vocab_size": 64,
            "pad_token_id": 0,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
            "projection_dim": 16,
        },
    },
    decoder=DecoderConfig(width=32, depth=2, heads=4, mlp=48),
    projector=(32, 40, 32),
    lora=LoraSizes(rank=4, alpha=8),
)


class TinyFiles(NamedTuple):
    """Paths of the three sources, and every tensor by the network's name."""

    trained: Path
    sam: Path
    llava: Path
    tensors: dict[str, torch.Tensor]


def write_tiny(folder: Path, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> TinyFiles:
    """Write `ivm.bin` with `sizes.json`, `sam.pth` and `llava/`; LLaVA in `dtype`, with its older names."""
    random = torch.Generator().manual_seed(seed)
    tensors = {name: _random(name, tensor.shape, random) for name, tensor in empty_network(CONFIG).state_dict().items()}
    trained = {trained_key(name): tensor for name, tensor in tensors.items() if TRAINED.match(name)}
    torch.save(trained, folder / "ivm.bin")
    (folder / "sizes.json").write_text(json.dumps({"decoder": {"num_attention_heads": CONFIG.decoder.heads}}))
    torch.save({sam_key(n): t for n, t in tensors.items() if n.startswith("image_encoder.")}, folder / "sam.pth")
    llava = {llava_key(n): t for n, t in tensors.items() if n.startswith("llava.") and not TRAINED.match(n)}
    llava["lm_head.weight"] = torch.zeros(64, 32)
    write_llava(folder / "llava", {old_key(name): tensor.to(dtype) for name, tensor in llava.items()})
    return TinyFiles(folder / "ivm.bin", folder / "sam.pth", folder / "llava", tensors)


def _random(name: str, shape: torch.Size, random: torch.Generator) -> torch.Tensor:
    """Weights that keep the sizes of what goes through, so that a changed question changes the answer."""
    noise = torch.randn(shape, generator=random)
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.2 * noise
    if len(shape) == 1:
        return 0.2 * noise
    return noise * (1 if name.endswith(("embed_tokens.weight", "position")) else 1 / noise[0].numel() ** 0.5)


def old_key(name: str) -> str:
    """What files of transformers up to 4.51 call a tensor of LLaVA."""
    if name.startswith("language_model.") or name == "lm_head.weight":
        head, _, rest = name.partition(".")
        return f"language_model.{name}" if head == "lm_head" else f"language_model.model.{rest}"
    return name.replace("vision_tower.", "vision_tower.vision_model.")


def write_llava(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a LLaVA folder with these tensors, its config and its processor's files."""
    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG.llava))
    picture = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 28},
        "crop_size": {"height": 28, "width": 28},
        "resample": 3,
        "do_convert_rgb": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(picture))
    tiny_tokenizer().save_pretrained(folder)


def tiny_tokenizer():
    """Words, punctuation and white space; token 63 is the picture."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: place for place, word in enumerate(["<pad>", "<unk>", "\n", *WORDS.split()])}
    vocabulary["<image>"] = 63
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    split = pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]"), "removed", invert=True)
    tokenizer.pre_tokenizer = split
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )
