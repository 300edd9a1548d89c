"""Checkpoints are whole or not there, written beside their place, then renamed; and a run goes on from its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from ivm.core.errors import TrainingError
from ivm.core.files import output_error


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's reader, and a writer that a full disk, a kill or a crash cannot make spoil the last checkpoint.

    Lightning's own writes to the system's folder for temporary files and moves from there, which is a copy where that
    is another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`.

        Raises:
            OutputError: it cannot be written there; DiskFullError where no space is left.
        """
        path = Path(path)
        beside = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            # PyTorch says only that its archive has an unexpected length, while it handles what the disk said.
            cause = next((e for e in (error, error.__context__) if isinstance(e, OSError)), None)
            if cause is None:
                raise
            raise output_error(path, cause) from error


def check_continues(wanted: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    """Check, before anything is loaded, that a checkpoint's weights are those of the run that is to go on from it.

    Raises:
        TrainingError: they are not: of another discriminator, of other adapters, of an earlier version.
    """
    shapes = [{name: value.shape for name, value in weights.items()} for weights in (wanted, kept)]
    if odd := sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()}):
        raise TrainingError(
            f"The last checkpoint is of another run or an earlier version, for example in {odd[0]} ({len(odd)} weights "
            "are in one of them alone, or of another size): choose another folder, where the recipe's `start` may take "
            "what was learnt"
        )
