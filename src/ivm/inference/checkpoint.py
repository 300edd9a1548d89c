"""A folder with `ivm-nano` in it: `encoder.onnx`, `predictor.onnx` and `model.json`, checked before anything runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivm.core.errors import CheckpointError

FORMAT = "ivm-nano"
VERSION = 1
DESCRIPTION = "model.json"
ENCODER = "encoder.onnx"
PREDICTOR = "predictor.onnx"


@dataclass(frozen=True, kw_only=True, slots=True)
class NanoCheckpoint:
    """What `model.json` says, and the bytes of both graphs, whose checksums it holds."""

    folder: Path
    name: str
    input_area: int
    """Pixels that the encoder likes to read; the sides follow the picture's aspect."""
    stride: int
    """Both sides of the encoder's input are multiples of this."""
    features: tuple[str, ...]
    """Names of the tensors that go from the encoder to the predictor."""
    encoder: bytes = field(repr=False)
    predictor: bytes = field(repr=False)
    about: dict[str, Any] = field(repr=False)
    """All of `model.json`: the keys above and whatever else it tells."""

    @classmethod
    def read(cls, folder: str | Path) -> NanoCheckpoint:
        """Read and verify a checkpoint folder.

        The graphs are read once and handed on as bytes, so what was verified is what runs.

        Raises:
            CheckpointError: a file is missing, of another format or version, or not the one that was checksummed.
        """
        folder = Path(folder)
        about = _description(folder / DESCRIPTION)
        checksums = _entry(about, "sha256", dict, folder)
        features = _entry(about, "features", list, folder)
        if not features or not all(isinstance(name, str) for name in features):
            raise CheckpointError(f'{folder / DESCRIPTION} names no features: "features" must be a list of names')
        return cls(
            folder=folder,
            name=_entry(about, "name", str, folder),
            input_area=_positive(about, "input_area", folder),
            stride=_positive(about, "stride", folder),
            features=tuple(features),
            encoder=_verified(folder / ENCODER, checksums),
            predictor=_verified(folder / PREDICTOR, checksums),
            about=about,
        )


def is_checkpoint(path: Path) -> bool:
    """Whether a path is a folder that claims to hold `ivm-nano`, or one of its graphs."""
    return (path / DESCRIPTION).is_file() or (path.suffix == ".onnx" and (path.parent / DESCRIPTION).is_file())


def _description(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} holds no {DESCRIPTION}: give the folder that `ivm-nano` was exported to"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}): export the model again") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else about
        raise CheckpointError(f'{path} is not of the format "{FORMAT}" but {found!r}: give a folder with ivm-nano')
    if about.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is version {about.get('version')!r} of the format, and this package reads version {VERSION}: "
            "export the model again, or update ivm"
        )
    return about


def _entry(about: dict[str, Any], key: str, kind: type, folder: Path) -> Any:
    value = about.get(key)
    if not isinstance(value, kind):
        raise CheckpointError(f'{folder / DESCRIPTION} must hold "{key}" ({kind.__name__}), not {value!r}')
    return value


def _positive(about: dict[str, Any], key: str, folder: Path) -> int:
    value: int = _entry(about, key, int, folder)
    if isinstance(value, bool) or value < 1:
        raise CheckpointError(f'{folder / DESCRIPTION} must hold a positive "{key}", not {value!r}')
    return value


def _verified(path: Path, checksums: dict[str, Any]) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} holds no {path.name}: the checkpoint is incomplete, get it again"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if checksums.get(path.name) != found:
        raise CheckpointError(
            f"{path} is damaged or was changed: its SHA-256 is {found}, but {DESCRIPTION} says "
            f"{checksums.get(path.name)!r}; get the checkpoint again"
        )
    return content
