"""`load()`, which finds a model by name, file, folder or hub id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

from ivm.core.errors import CheckpointError, DeviceError, ModelError, OptionError, UnknownModelError
from ivm.core.extras import require
from ivm.core.hub import CONFIG, is_repository
from ivm.inference.catalogue import EMBEDDED, ZOO, ModelType, find_model, hint
from ivm.inference.checkpoint import is_checkpoint
from ivm.inference.masker import Masker

__all__ = ["EMBEDDED", "ZOO", "load"]

_IVM7B_SUFFIXES = (".bin", ".safetensors", ".pt", ".pth")
_IVM7B_FOLDER = "ivm7b.json"
"""The description in a folder that `ivm convert` wrote."""

_TYPES: tuple[ModelType, ...] = get_args(ModelType)
_NAMES = {model.name: model.type for model in ZOO}
_IVM7B_REPOSITORY = find_model("ivm-7b").parts[0].repository

Source = str | os.PathLike[str]


def load(
    source: Source = "ivm-nano",
    *,
    type: ModelType | None = None,
    device: str = "auto",
    dtype: str = "auto",
    low_gpu_memory: bool = False,
    quantize: str | None = None,
    encoder: str = "torch",
    sam: Source | None = None,
    llava: Source | None = None,
) -> Masker:
    """Load a model: `load()` takes the one that ships with the package.

    Weights of the zoo's other models are looked for in the hub's cache, and downloaded once where they are not there.

    Args:
        source: a name of the zoo (`ivm models` lists them); a folder with `ivm-nano` or one of its .onnx files; the
            released file of IVM-7B, or a folder that `ivm convert` wrote; a folder that transformers wrote, or a hub id
            ("owner/name"), of CLIPSeg, OWLv2, Grounding DINO or Florence-2, and with the extra `[experts]` of SAM 3 or
            Qwen-VL.
        type: the architecture, "nano", "lisa" (IVM-7B), "clipseg", "owlv2", "grounding-dino" or "florence2"; None tells
            it from the source.
        device: "auto" takes what is there, "cpu" or "cuda" exactly that.
        dtype: "auto" or "float32" for `ivm-nano`; others also "bfloat16" and "float16".
        low_gpu_memory: keep parts of IVM-7B in the CPU's memory; the other models are small anyway.
        quantize: "int8" keeps IVM-7B's language model in 8 bits.
        encoder: what runs IVM-7B's image encoder: "torch", or on a CPU "openvino", which is faster; it needs the
            extra of that name, and keeps its graph in `IVM_CACHE` or `~/.cache/ivm`.
        sam: SAM for IVM-7B (a .pth file, a folder or a hub id), or for an expert's boxes (a folder or a hub id, with
            the extra `[experts]` also of SAM 2); None takes the zoo's. CLIPSeg and Florence-2 can do without; with it
            they point at what it cuts out.
        llava: LLaVA for IVM-7B, a folder or a hub id; None takes the zoo's.

    Returns:
        A `Masker`, which is called with a picture and an instruction.

    Raises:
        UnknownModelError: the source is neither a name of the zoo nor a file, folder or hub id.
        CheckpointError: the checkpoint is damaged, or of another architecture than `type` says.
        FetchError: weights are not here and cannot be downloaded.
        OutputError: the cache that keeps them cannot be written; DiskFullError where no space is left.
        MissingExtraError: the model needs packages that are not installed.
        DeviceError: the device or dtype is not to be had here.
        ModelMemoryError: IVM-7B does not fit into the device's free memory.
        OptionError: `type` is unknown, or `quantize`, `encoder`, `sam` or `llava` is given to a model that has none.
    """
    if type is not None and type not in _TYPES:
        raise OptionError(f"The type of a model is {', '.join(map(repr, _TYPES))}, not {type!r}")
    source = os.fspath(source)
    kind = _type_of(source)
    if type is not None and kind is not None and kind != type:
        raise CheckpointError(f"{source} is {_called(kind)}, not {_called(type)}: leave `type` away to load it")
    kind = type or kind
    if llava is not None and kind not in (None, "lisa"):
        raise OptionError(f"{_called(kind)} has no LLaVA in it: leave `llava` away")
    if quantize is not None and kind != "lisa":
        raise OptionError(f"Only IVM-7B is quantized when it is loaded, not {source}: leave `quantize` away")
    if encoder != "torch" and kind != "lisa":
        raise OptionError(f"Only IVM-7B's image encoder has a choice, not that of {source}: leave `encoder` away")
    if kind == "nano":
        if sam is not None:
            raise OptionError("ivm-nano has no SAM in it: leave `sam` away")
        return _load_nano(source, device, dtype)
    if kind == "lisa":
        return _load_ivm7b(source, sam, llava, device, dtype, low_gpu_memory, quantize, encoder)
    if kind is None and not is_repository(source) and not (Path(source) / CONFIG).is_file():
        raise _nothing(source)
    if llava is not None:
        raise OptionError(f"{source} is an expert, which has no LLaVA in it: leave `llava` away")
    return _load_expert(source, kind, sam, device, dtype)


def _type_of(source: str) -> ModelType | None:
    """The architecture that a source shows; None where only its content or the hub can tell."""
    path = Path(source)
    if source in _NAMES:
        return _NAMES[source]
    if is_checkpoint(path):
        return "nano"
    if source == _IVM7B_REPOSITORY or (path / _IVM7B_FOLDER).is_file():
        return "lisa"
    if source.endswith(_IVM7B_SUFFIXES) and path.is_file():
        return "lisa"
    try:
        told = json.loads((path / CONFIG).read_bytes())["model_type"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return next((kind for kind in _TYPES if kind == told), None)


def _called(kind: ModelType | None) -> str:
    return {"nano": "ivm-nano", "lisa": "the type 'lisa' (IVM-7B)"}.get(str(kind), f"the type {kind!r}")


def _load_nano(source: str, device: str, dtype: str) -> Masker:
    folder = EMBEDDED / source if source in _NAMES else Path(source)
    if folder.suffix == ".onnx" and folder.is_file():
        folder = folder.parent
    if not is_checkpoint(folder):
        raise _no_nano(source)
    if dtype not in ("auto", "float32"):
        raise DeviceError(f"ivm-nano computes in float32, not in {dtype!r}: use dtype='auto'")
    from ivm.inference.nano_onnx import NanoOnnx

    return Masker(NanoOnnx(folder, device=device))


def _load_ivm7b(
    source: str,
    sam: Source | None,
    llava: Source | None,
    device: str,
    dtype: str,
    low_gpu_memory: bool,
    quantize: str | None,
    encoder: str,
) -> Masker:
    require("torch", "transformers", "peft", "accelerate", "safetensors", extra="full")
    from ivm.models.ivm7b.load import load_ivm7b

    return Masker(
        load_ivm7b(
            source,
            sam=sam,
            llava=llava,
            device=device,
            dtype=dtype,
            low_gpu_memory=low_gpu_memory,
            quantize=quantize,
            encoder=encoder,
        )
    )


def _load_expert(source: str, kind: ModelType | None, sam: Source | None, device: str, dtype: str) -> Masker:
    require("torch", "transformers", "safetensors", extra="full")
    from ivm.models.experts.load import load_expert

    assert kind not in ("nano", "lisa"), "these have loaders of their own"
    if source not in _NAMES:
        return Masker(load_expert(source, kind=kind, sam=sam, device=device, dtype=dtype))
    own, *others = find_model(source).parts
    sam = sam or next((part.repository for part in others), None)
    return Masker(load_expert(own.repository, kind=kind, sam=sam, device=device, dtype=dtype, name=source))


def _no_nano(source: str) -> ModelError:
    path = Path(source)
    if path.is_dir() or path.suffix == ".onnx":
        return CheckpointError(f"{source} holds no model.json: give the folder that ivm-nano was exported to")
    if path.exists():
        return CheckpointError(f"{source} is not ivm-nano: leave type='nano' away, or give the checkpoint's folder")
    return _nothing(source)


def _nothing(source: str) -> ModelError:
    path = Path(source)
    if path.is_dir():
        return CheckpointError(
            f"{source} holds no model.json, {_IVM7B_FOLDER} or {CONFIG}: give the folder that ivm-nano was exported "
            "to, that ivm convert wrote, or that transformers saved"
        )
    if path.suffix == ".onnx" and path.is_file():
        return _no_nano(source)
    if path.exists():
        return CheckpointError(f"{source} is not a checkpoint: give a folder with model.json, or a name of the zoo")
    return UnknownModelError(f"No model, file or folder is called {source!r}: {hint(source)}")
