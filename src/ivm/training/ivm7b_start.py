"""IVM-7B as training finds it: frozen SAM and LLaVA; adapters, projector and decoder from a checkpoint or untrained."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivm.core.errors import CheckpointError, RecipeError
from ivm.core.files import write_files
from ivm.models.ivm7b.config import DecoderConfig, Ivm7bConfig, LoraSizes, sam_sizes
from ivm.models.ivm7b.decoder import MaskDecoder, Projector
from ivm.models.ivm7b.filling import fill
from ivm.models.ivm7b.hub import LLAVA, SAM, resolved
from ivm.models.ivm7b.load import find_parts
from ivm.models.ivm7b.names import trained_key
from ivm.models.ivm7b.network import Ivm7bNetwork
from ivm.models.ivm7b.parts import SIZES, Parts
from ivm.models.ivm7b.placement import Placement, find_dtype
from ivm.models.ivm7b.weights import read_file, read_folder, shapes_of
from ivm.training.ivm7b_recipe import Ivm7bRecipe

UNTRAINED = "untrained.safetensors"
"""The start of a run without a checkpoint, in its folder: what is trained, before training."""


def open_start(recipe: Ivm7bRecipe, folder: Path) -> Parts:
    """Find the weights with which a run begins; where the recipe names no checkpoint, untrained ones are written.

    Raises:
        CheckpointError: a file is damaged, unsafe, of another architecture, or they do not go together.
        FetchError: something is not here and cannot be downloaded.
        OutputError: the untrained start cannot be written.
        RecipeError: the checkpoint's adapters are merged into the weights, so that none is left to train.
    """
    start = recipe.start
    if start is None:
        start = str(folder / UNTRAINED)
        if not Path(start).is_file():
            write_untrained(recipe, folder)
    parts = find_parts(start, recipe.sam, recipe.llava)
    if parts.config.lora is None:
        raise RecipeError(f"{start} has no adapters left to train: convert the checkpoint with --no-merge")
    return parts


def precision(parts: Parts, recipe: Ivm7bRecipe) -> torch.dtype:
    """Return the dtype of the frozen weights."""
    stored = next(w.dtype for name, w in parts.weights.items() if name.endswith("embed_tokens.weight"))
    return find_dtype(recipe.dtype, stored, torch.device("cpu"))


def filled(parts: Parts, recipe: Ivm7bRecipe) -> Ivm7bNetwork:
    """Give the empty network its weights, on the CPU; nothing is trained yet."""
    fill(parts.network, parts.weights, Placement(device=torch.device("cpu"), dtype=precision(parts, recipe)))
    return parts.network


def write_untrained(recipe: Ivm7bRecipe, folder: Path) -> Path:
    """Write adapters that change nothing yet, and a projector and decoder of random weights, as a checkpoint.

    Raises:
        CheckpointError: SAM or LLaVA are not to be read.
    """
    from safetensors.torch import save

    sam, llava = Path(resolved(recipe.sam or SAM)), Path(resolved(recipe.llava or LLAVA))
    config = _config(recipe, sam, llava)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        tensors = _untrained(config)
    keyed = {trained_key(name): tensor.contiguous() for name, tensor in tensors.items()}
    sizes = {"decoder": {"num_attention_heads": config.decoder.heads}}
    path, _ = write_files([(folder / UNTRAINED, save(keyed)), (folder / SIZES, json.dumps(sizes).encode())])
    return path


def _config(recipe: Ivm7bRecipe, sam: Path, llava: Path) -> Ivm7bConfig:
    encoder = sam_sizes(shapes_of(read_folder(sam) if sam.is_dir() else read_file(sam)))
    try:
        described: dict[str, Any] = json.loads((llava / "config.json").read_bytes())
        text = described["text_config"].get("hidden_size", 4096)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{llava} holds no config.json of a LLaVA: give its whole folder") from None
    width = encoder["output_channels"]
    return Ivm7bConfig(
        sam=encoder,
        llava=described,
        decoder=DecoderConfig(width=width, mlp=8 * width, heads=8 if width % 64 == 0 else 4),
        projector=(text, text // 2, width),
        lora=LoraSizes(rank=recipe.lora_rank, alpha=2 * recipe.lora_rank),
    )


def _untrained(config: Ivm7bConfig) -> dict[str, Tensor]:
    decoder = MaskDecoder(config.decoder)
    decoder.position.normal_()  # SAM's own random frequencies; kept, never trained
    tensors = {f"decoder.{name}": value for name, value in decoder.state_dict().items()}
    tensors |= {f"projector.{name}": value for name, value in Projector(config.projector).state_dict().items()}
    text = {"num_attention_heads": 32, "num_hidden_layers": 32, **config.llava["text_config"]}
    width, heads = config.projector[0], text["num_attention_heads"]
    wide = {"q_proj": width, "v_proj": width // heads * text.get("num_key_value_heads", heads)}
    assert config.lora is not None
    for layer in range(text["num_hidden_layers"]):
        for target in config.lora.targets:
            name = f"llava.language_model.layers.{layer}.self_attn.{target}"
            down = torch.empty(config.lora.rank, width)
            torch.nn.init.kaiming_uniform_(down, a=math.sqrt(5))
            tensors[f"{name}.lora_A.default.weight"] = down
            tensors[f"{name}.lora_B.default.weight"] = torch.zeros(wide[target], config.lora.rank)
    return {name: tensor.detach().float() for name, tensor in tensors.items()}
