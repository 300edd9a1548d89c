"""`ivm export CHECKPOINT`: turn a trained checkpoint into the folder that `ivm` loads without PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug
from ivm.core.errors import OutputError


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of `ivm train`, for example runs/nano/last.ckpt.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the model.")] = Path(
        "my-nano"
    ),
    average_with: Annotated[
        Path | None, typer.Option(metavar="CHECKPOINT", help="Average the weights with those of an earlier stage.")
    ] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of that earlier stage in the average.")] = 0.5,
    scenes: Annotated[int, typer.Option(min=32, help="Unseen scenes on which `found` is calibrated.")] = 640,
    debug: Debug = False,
) -> None:
    """Export a trained model to ONNX, calibrate its `found`, and check that the graphs answer as the network does.

    Example: ivm export runs/nano/last.ckpt -o my-nano; ivm mask photo.jpg "the cup" --model my-nano
    """
    from ivm.core.extras import optional

    for package in ("torch", "onnx", "numba"):
        optional(package, extra="train")
    from ivm.models.nano.export import averaged, load_network
    from ivm.models.nano.export import export as write
    from ivm.training.calibrate import fit_calibration, presence_logits

    network = load_network(checkpoint)
    if average_with is not None:
        network = averaged(network, load_network(average_with), share)
    _check_folder(output)
    calibration = fit_calibration(*presence_logits(network, batches=scenes // 16))
    folder = write(network, output, calibration=calibration, about={"calibration": calibration})
    emit(f"Exported to {folder}. To use it: ivm mask PICTURE INSTRUCTION --model {folder}")


def _check_folder(folder: Path) -> None:
    """Find out before a minute of work whether the folder can be made."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise OutputError(f"'{folder}' cannot be written ({nearest} is a file): choose another folder")
    if not os.access(nearest, os.W_OK):
        raise OutputError(
            f"'{folder}' cannot be written: choose another folder, or change the permissions of {nearest}"
        )
