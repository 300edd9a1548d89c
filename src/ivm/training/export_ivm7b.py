"""From a training checkpoint of IVM-7B to the file that `load` takes, checked after it is written.

What needs the packages of [full] is imported late: `ivm export` asks here of an ivm-nano's checkpoint, too, what it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivm.core.errors import CheckpointError
from ivm.core.extras import require
from ivm.core.files import write_files
from ivm.models.pickled import unpacked
from ivm.training.averaging import KEY as AVERAGE
from ivm.training.ivm7b_recipe import PACKAGES

NAME = "ivm.safetensors"
ABOUT = "ivm-7b"
"""Key of a checkpoint that says what a file of weights needs beside it."""

_NETWORK = "network."


def is_ivm7b(path: Path) -> bool:
    """Whether a file is a checkpoint of a run of IVM-7B; one that cannot be read is none."""
    try:
        return ABOUT in unpacked(path)
    except CheckpointError:
        return False


def export_ivm7b(checkpoint: Path, output: Path) -> Path:
    """Write adapters, projector and decoder, averaged where the run kept an average, as IVM's own file.

    SAM and LLaVA were not trained and are not in it; the discriminator is not needed to ask.

    Args:
        checkpoint: of a run of IVM-7B.
        output: folder, made where it is missing.

    Returns:
        Path of the file, which is read back and equal to what was trained.

    Raises:
        CheckpointError: no checkpoint of IVM-7B, or what was read back differs.
        MissingExtraError: a package of the extra [full] is not installed.
        OutputError: it cannot be written; DiskFullError where no space is left.
    """
    require(*PACKAGES, extra="full")
    from safetensors.torch import save

    from ivm.models.ivm7b.parts import SIZES
    from ivm.models.ivm7b.weights import read_file

    content = unpacked(checkpoint)
    if ABOUT not in content:
        raise CheckpointError(f"{checkpoint} is no checkpoint of `ivm train` for ivm-7b")
    tensors = _tensors(content)
    sizes = {"decoder": {"num_attention_heads": content[ABOUT]["heads"]}}
    path, _ = write_files([(output / NAME, save(tensors)), (output / SIZES, json.dumps(sizes).encode())])
    back = {name: stored.read() for name, stored in read_file(path).items()}
    if set(back) != set(tensors) or not all(torch.equal(back[name], tensors[name]) for name in tensors):
        raise CheckpointError(f"{path} differs from what was written: check the disk")
    return path


def _tensors(content: dict[str, Any]) -> dict[str, Tensor]:
    """What was trained, by the keys of the released file."""
    from ivm.models.ivm7b.names import trained_key
    from ivm.models.ivm7b.network import TRAINED
    from ivm.training.adapters import JUDGING

    state = content["state_dict"] | content.get(AVERAGE, {})
    own = {name.removeprefix(_NETWORK): value for name, value in state.items() if name.startswith(_NETWORK)}
    kept = {name: value for name, value in own.items() if TRAINED.match(name) and f".{JUDGING}." not in name}
    return {trained_key(name): value.float().contiguous() for name, value in kept.items()}
