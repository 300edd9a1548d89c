"""Tensors that stay in their files until somebody wants them, and the check that all are there."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivm.core.errors import CheckpointError
from ivm.models.pickled import DAMAGE

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "I8": torch.int8,
    "BOOL": torch.bool,
}
"""Of the format safetensors."""

_LISTED = 5
"""Names that an error lists of each kind."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a file: what is known of it, and how to get it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]
    """Gives the tensor on the CPU, memory-mapped where the file allows it."""

    @property
    def numel(self) -> int:
        """Values."""
        return int(torch.Size(self.shape).numel())


Weights = dict[str, Stored]


def shapes_of(weights: Mapping[str, Stored]) -> dict[str, tuple[int, ...]]:
    """Names and shapes."""
    return {name: stored.shape for name, stored in weights.items()}


def read_file(path: Path) -> Weights:
    """List the tensors of a checkpoint file without reading them; nothing in it is executed.

    Args:
        path: `.safetensors`, or what `torch.save` wrote.

    Raises:
        CheckpointError: there is no such file, it is damaged, or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise CheckpointError(f"No checkpoint can be read at {path}: {error.strerror}") from None
    if empty:
        raise CheckpointError(f"{path} is empty (0 bytes): copy or download it again")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickled(path)


def _read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, framework="pt")
        weights: Weights = {}
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            part = file.get_slice(name)
            dtype = _DTYPES.get(part.get_dtype())
            if dtype is None:
                raise CheckpointError(f"{path} holds {name} as {part.get_dtype()}: convert it to float16 or float32")
            weights[name] = Stored(tuple(part.get_shape()), dtype, lambda n=name: file.get_tensor(n))  # type: ignore[misc]
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path} is cut short or no safetensors file ({reason}): download it again") from None
    return weights


def _read_pickled(path: Path) -> Weights:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # what follows from it is told below
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (*DAMAGE, OSError) as error:
        # PyTorch's own words go on to explain how to run whatever a file holds, so they are not passed on.
        if isinstance(error, pickle.UnpicklingError) and "weights_only" in str(error).lower():
            raise CheckpointError(
                f"{path} holds code besides tensors and is not opened: get the file from its authors, or as safetensors"
            ) from None
        raise CheckpointError(f"{path} is cut short or no checkpoint of PyTorch: download it again") from None
    for wrapper in ("model", "module", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds no named tensors: give a checkpoint of the model itself")
    strange = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strange:
        raise CheckpointError(f"{path} holds {_list(strange)}, no named tensors: give a checkpoint of the model itself")
    return {name: Stored(tuple(value.shape), value.dtype, lambda v=value: v) for name, value in content.items()}  # type: ignore[misc]


def read_folder(folder: Path) -> Weights:
    """List the tensors of a Hugging Face folder, whole or in shards, safetensors before PyTorch's own.

    Raises:
        CheckpointError: there are none, a shard is missing, or a file is damaged.
    """
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        index, single = folder / f"{stem}.{suffix}.index.json", folder / f"{stem}.{suffix}"
        if index.is_file():
            return _read_shards(index)
        if single.is_file():
            return read_file(single)
    raise CheckpointError(
        f"{folder} holds no model.safetensors or pytorch_model.bin: give the folder that holds the model's weights"
    )


def _read_shards(index: Path) -> Weights:
    try:
        where: dict[str, str] = json.loads(index.read_bytes())["weight_map"]
        names = sorted(set(where.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{index} is damaged: download it again") from None
    weights: Weights = {}
    for name in names:
        if Path(name).name != name or not (index.parent / name).is_file():
            raise CheckpointError(f"{index.parent} lacks {name}, which {index.name} lists: download it again")
        weights |= read_file(index.parent / name)
    if absent := sorted(set(where) - set(weights)):
        raise CheckpointError(f"{index.parent} lacks {_list(absent)}, which {index.name} lists: download it again")
    return {name: weights[name] for name in where}


def matched(
    weights: Mapping[str, Stored],
    wanted: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    where: object,
    *,
    ignored: Callable[[str], bool] = lambda _: False,
) -> Weights:
    """Check that a file holds exactly what a network needs, and give it the network's names.

    Args:
        weights: as the file names them.
        wanted: for each key that must be there, the name in the network.
        shapes: of the network's tensors, by the network's names.
        where: the file, for the error.
        ignored: tells keys that may be there and are not needed.

    Raises:
        CheckpointError: keys are missing, unexpected or of another shape; all three are listed.
    """
    missing = [key for key in wanted if key not in weights]
    unexpected = [key for key in weights if key not in wanted and not ignored(key)]
    misshapen = [
        f"{key} {list(weights[key].shape)} instead of {list(shapes[name])}"
        for key, name in wanted.items()
        if key in weights and weights[key].shape != tuple(shapes[name])
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    if found := [f"{kind}: {_list(names)}" for kind, names in kinds.items() if names]:
        raise CheckpointError(f"{where} does not fit this architecture ({'; '.join(found)}): give a file that does")
    return {name: weights[key] for key, name in wanted.items()}


def _list(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
