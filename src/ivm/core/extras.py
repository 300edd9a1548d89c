"""The one place that imports optional packages, and says which extra brings them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from ivm.core.errors import MissingExtraError

_EXTRA_OF = {
    "torch": "full",
    "transformers": "full",
    "peft": "full",
    "accelerate": "full",
    "huggingface_hub": "full",
    "scipy": "full",
    "safetensors": "full",
    "lightning": "train",
    "numba": "data",
    "onnx": "train",
    "yaml": "train",
    "openvino": "openvino",
    "torchvision": "experts",
    "openai": "label",
    "ray": "label",
    "jsonschema": "label",
    "pyarrow": "eval",
    "fastapi": "serve",
    "uvicorn": "serve",
    "python_multipart": "serve",
    "prometheus_client": "serve",
    "httpcore2": "serve",
    "mcp": "serve",
    "supervision": None,
}

_REPORTERS = {"openvino": "openvino_telemetry"}
"""Packages that report each import to their makers through another package, and do without where that is not there."""


def optional(package: str, *, extra: str | None = None) -> ModuleType:
    """Import an optional package by its import name.

    Args:
        package: for example "torch" or "lightning.pytorch".
        extra: the extra of this project that the caller belongs to; else the package's usual one.

    Raises:
        MissingExtraError: it is not installed; the message holds the line that installs it.
    """
    if reporter := _REPORTERS.get(package.partition(".")[0]):
        sys.modules.setdefault(reporter, None)  # type: ignore[arg-type] # so it cannot be imported
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        top = package.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        name = extra or _EXTRA_OF.get(top)
        line = install_line(name) if name else f"pip install {top}"
        raise MissingExtraError(f"This needs the package {top}, which is not installed: {line}") from None


def require(*packages: str, extra: str) -> None:
    """Import several optional packages, so that what is missing is told before anything is done.

    Raises:
        MissingExtraError: see `optional`.
    """
    for package in packages:
        optional(package, extra=extra)


def install_line(extra: str) -> str:
    """The line that installs an extra of this project."""
    return f"pip install 'ivm[{extra}]'"
