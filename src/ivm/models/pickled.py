"""What `torch.save` wrote, read without running anything in it."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

from ivm.core.errors import CheckpointError

DAMAGE = (
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    struct.error,
)
"""What PyTorch raises at a checkpoint that is not whole, or holds more than numbers and names."""


def unpacked(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that `torch.save` wrote, without running anything in it.

    Raises:
        CheckpointError: there is no file, it is damaged, or it holds more than numbers by their names.
    """
    # PyTorch's own words go on to explain how to run whatever a file holds, so they are not passed on.
    refusal = CheckpointError(f"{path} is no checkpoint of `ivm train`, or a damaged one: give the last.ckpt of a run")
    try:
        with Path(path).open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise refusal
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"No checkpoint can be read at {path}: {error.strerror}") from None
    except DAMAGE as error:
        raise refusal from error
    if not isinstance(content, dict):
        raise refusal
    return content
