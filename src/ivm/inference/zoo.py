"""The models that this package knows by name, and `load()`, which finds one by name, file or folder."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ivm.core.errors import CheckpointError, DeviceError, ModelError, OptionError, UnknownModelError
from ivm.core.extras import optional
from ivm.inference.checkpoint import is_checkpoint
from ivm.inference.masker import Masker

WEIGHTS = Path(__file__).parent / "weights"
"""Checkpoints that ship in the package, one folder a name."""

_IVM7B_SUFFIXES = (".bin", ".safetensors", ".pt", ".pth")


@dataclass(frozen=True, kw_only=True, slots=True)
class ZooModel:
    """One line of the model zoo's table."""

    name: str
    type: Literal["nano", "lisa"]
    """What `load(type=...)` calls the architecture; "lisa" is the paper's word."""
    summary: str
    size: str
    """Parameters and bytes on disk, for people."""
    license: str
    extra: str | None
    """The extra of this package that it needs; None for the base install."""
    origin: str
    """Where the weights come from."""
    available: bool
    """Whether this version of the package can run it."""


ZOO: tuple[ZooModel, ...] = (
    ZooModel(
        name="ivm-nano",
        type="nano",
        summary="small network for tabletop scenes, runs on any CPU",
        size="at most 8 M parameters, 20 MB",
        license="Apache-2.0",
        extra=None,
        origin="trained by this project, ships in the package",
        available=True,
    ),
    ZooModel(
        name="ivm-7b",
        type="lisa",
        summary="the paper's model: SAM ViT-H, LLaVA-1.5-7B with LoRA, mask decoder",
        size="16.6 M trained parameters (66 MB) on 7.7 B frozen ones",
        license="Apache-2.0; SAM Apache-2.0; LLaVA-1.5 under the Llama 2 licence",
        extra="full",
        origin="Hugging Face 2toINF/IVM, facebook/sam-vit-huge, llava-hf/llava-1.5-7b-hf",
        available=False,
    ),
)


def load(
    source: str | os.PathLike[str] = "ivm-nano",
    *,
    type: Literal["nano", "lisa"] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    low_gpu_memory: bool = False,
) -> Masker:
    """Load a model: `load()` takes the one that ships with the package.

    Args:
        source: a name of the zoo (`ivm models` lists them), a checkpoint folder, or one of the folder's .onnx files.
        type: the architecture, "nano" or "lisa" (IVM-7B); None tells it from the source.
        device: "auto" takes what is there, "cpu" or "cuda" exactly that.
        dtype: "auto" or "float32" for `ivm-nano`.
        low_gpu_memory: keep parts of a large model in the CPU's memory; `ivm-nano` is small anyway.

    Returns:
        A `Masker`, which is called with a picture and an instruction.

    Raises:
        UnknownModelError: the source is neither a name of the zoo nor a file or folder.
        CheckpointError: the checkpoint is damaged, or of another architecture than `type` says.
        MissingExtraError: the model needs packages that are not installed.
        DeviceError: the device or dtype is not to be had here.
        ModelError: the model is not part of this version.
        OptionError: `type` is unknown.
    """
    if type not in (None, "nano", "lisa"):
        raise OptionError(f"The type of a model is 'nano' or 'lisa', not {type!r}")
    source = os.fspath(source)
    folder = _nano_folder(source)
    if type == "lisa" or (type is None and _looks_like_ivm7b(source)):
        if folder is not None:
            raise CheckpointError(f"{source} is ivm-nano, not the type 'lisa' (IVM-7B): leave `type` away to load it")
        return _load_ivm7b(source)
    if folder is None:
        raise _not_a_nano(source, type)
    if dtype not in ("auto", "float32"):
        raise DeviceError(f"ivm-nano computes in float32, not in {dtype!r}: use dtype='auto'")
    from ivm.inference.nano_onnx import NanoOnnx

    return Masker(NanoOnnx(folder, device=device))


def _nano_folder(source: str) -> Path | None:
    """The folder that a source means where that is `ivm-nano`."""
    if source == "ivm-nano":
        return WEIGHTS / source
    path = Path(source)
    if path.suffix == ".onnx" and path.is_file():
        return path.parent
    return path if is_checkpoint(path) else None


def _looks_like_ivm7b(source: str) -> bool:
    return source == "ivm-7b" or (source.endswith(_IVM7B_SUFFIXES) and Path(source).is_file())


def _load_ivm7b(source: str) -> Masker:
    for package in ("torch", "transformers"):
        optional(package, extra="full")
    raise ModelError(
        f"{source} asks for IVM-7B, which this version of ivm cannot run yet, also with the extra [full] installed: "
        "use load('ivm-nano')"
    )


def _not_a_nano(source: str, type: str | None) -> ModelError:
    path = Path(source)
    if path.is_dir():
        return CheckpointError(f"{source} holds no model.json: give the folder that ivm-nano was exported to")
    if type == "nano" and (path.exists() or source == "ivm-7b"):
        return CheckpointError(f"{source} is not ivm-nano: leave type='nano' away, or give the checkpoint's folder")
    if path.exists():
        return CheckpointError(f"{source} is not a checkpoint: give a folder with model.json, or a name of the zoo")
    names = [model.name for model in ZOO]
    near = difflib.get_close_matches(source, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the zoo has {', '.join(names)}"
    return UnknownModelError(f"No model, file or folder is called {source!r}: {hint}")
