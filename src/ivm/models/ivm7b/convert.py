"""Writes IVM-7B as one folder: weights in shards of safetensors, sizes, processor files and a model card."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from ivm.core.errors import DiskFullError, OptionError, OutputError
from ivm.core.files import fresh_folder
from ivm.models.ivm7b.card import model_card
from ivm.models.ivm7b.folder import DESCRIPTION, describe
from ivm.models.ivm7b.network import TRAINED
from ivm.models.ivm7b.parts import Parts
from ivm.models.ivm7b.placement import DTYPES
from ivm.models.ivm7b.reading import PROCESSOR_FILES, Reader
from ivm.models.ivm7b.weights import Stored, Weights

SHARD = 2 * 2**30
"""Bytes of a shard; one at a time is held in memory."""


def convert(parts: Parts, output: Path, *, merge: bool = True, dtype: str = "auto", shard: int = SHARD) -> Path:
    """Write a model as one folder, whole or not at all.

    Args:
        parts: from `load.find_parts`.
        output: the folder to make; it must not exist, or be empty.
        merge: add the adapters to the language model's weights, so that nothing is left to compute for them.
        dtype: of SAM's and LLaVA's weights; "auto" keeps each as it is stored. What IVM trained is always float32.
        shard: bytes of a shard at most, unless one tensor is larger.

    Raises:
        OptionError: another dtype.
        CheckpointError: the processor's files are missing or damaged, or a weight cannot be read.
        OutputError: the folder is not empty or cannot be written; DiskFullError where there is too little space.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise OptionError(f"The dtype is 'auto', {', '.join(map(repr, DTYPES))}, not {dtype!r}")
    Reader.open(parts.processor, parts.network.llava.config.image_token_id)
    config, weights = parts.config, parts.weights
    if merge and config.lora is not None:
        weights = merged(weights, config.lora.alpha / config.lora.rank)
        config = dataclasses.replace(config, lora=None)
    weights = {name: _cast(name, stored, DTYPES.get(dtype)) for name, stored in weights.items()}
    nbytes = sum(map(_nbytes, weights.values()))
    with fresh_folder(output) as fresh:
        if (free := shutil.disk_usage(fresh).free) < nbytes:
            raise DiskFullError(
                f"'{output}' takes {nbytes / 2**30:.1f} GiB of {free / 2**30:.1f} free: free some, or choose another"
            )
        _write_shards(weights, fresh, shard)
        for name in PROCESSOR_FILES:
            if (parts.processor / name).is_file():
                shutil.copyfile(parts.processor / name, fresh / name)
        (fresh / "README.md").write_text(model_card(config, weights, parts.origin), encoding="utf-8")
        # Last, because it is what makes a folder one of these.
        (fresh / DESCRIPTION).write_text(json.dumps(describe(config), indent=2) + "\n", encoding="utf-8")
    return output


def merged(weights: Weights, scale: float) -> Weights:
    """Add adapters to what they adapt, in float32, each when it is read: W + scale * B A."""
    plain: Weights = {}
    for name, stored in weights.items():
        if ".base_layer." in name:
            down, up = (weights[name.replace("base_layer", f"lora_{side}.default")] for side in "AB")
            plain[name.replace(".base_layer", "")] = dataclasses.replace(stored, read=_Merge(stored, down, up, scale))
        elif ".lora_" not in name:
            plain[name] = stored
    return plain


@dataclasses.dataclass(frozen=True, slots=True)
class _Merge:
    """Reads one adapted weight."""

    base: Stored
    down: Stored
    up: Stored
    scale: float

    def __call__(self) -> Tensor:
        change = self.up.read().float() @ self.down.read().float()
        return self.base.read().float().add_(change, alpha=self.scale).to(self.base.dtype)


def _cast(name: str, stored: Stored, dtype: torch.dtype | None) -> Stored:
    wanted = torch.float32 if TRAINED.match(name) else dtype
    if wanted is None or wanted == stored.dtype:
        return stored
    return Stored(stored.shape, wanted, lambda: stored.read().to(wanted))


def _nbytes(stored: Stored) -> int:
    return stored.numel * stored.dtype.itemsize


def _write_shards(weights: Weights, folder: Path, limit: int) -> None:
    """Write weights in shards with an index, as Hugging Face's folders have them."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    runs = _runs(weights, limit)
    where = {}
    for number, names in enumerate(runs, start=1):
        file = f"model-{number:05d}-of-{len(runs):05d}.safetensors"
        tensors = {name: weights[name].read().contiguous() for name in names}
        try:
            save_file(tensors, folder / file, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OutputError(f"{file} cannot be written ({error}): free some space, or choose another") from error
        where.update(dict.fromkeys(names, file))
    index = {"metadata": {"total_size": sum(map(_nbytes, weights.values()))}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _runs(weights: Weights, limit: int) -> list[list[str]]:
    """Cut the names into runs of at most `limit` bytes."""
    runs: list[list[str]] = []
    room = 0
    for name, stored in weights.items():
        if not runs or _nbytes(stored) > room:
            runs.append([])
            room = limit
        runs[-1].append(name)
        room -= _nbytes(stored)
    return runs
