"""`ivm export CHECKPOINT`: turn a trained checkpoint into what `ivm` loads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug
from ivm.cli.progress import bar
from ivm.core.errors import OptionError, OutputError

SAMPLE = 48
"""Pictures for `--int8`: half to measure maps on, half to compare answers."""


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint of `ivm train`, for example runs/nano/last.ckpt.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the model; made.")] = Path(
        "my-nano"
    ),
    average_with: Annotated[
        Path | None, typer.Option(metavar="CHECKPOINT", help="Average the weights with those of an earlier stage.")
    ] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of that earlier stage in the average.")] = 0.5,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="ivm-nano in 8 bits, nearly twice as fast on a CPU; refused where answers change."),
    ] = False,
    scenes: Annotated[
        int, typer.Option(min=32, help="Unseen scenes on which `found` and heatmaps are calibrated.")
    ] = 640,
    debug: Debug = False,
) -> None:
    """Export a trained model, and check that what was written is what was trained.

    An ivm-nano becomes ONNX, `found` and heatmaps calibrated; an ivm-7b one file of safetensors with what was trained.

    Example: ivm export runs/nano/last.ckpt --int8 -o my-nano; ivm mask photo.jpg "the cup" --model my-nano
    """
    from ivm.core.extras import require

    require("torch", "onnx", "numba", extra="train")
    from ivm.models.nano.export import export as write
    from ivm.models.nano.weights import averaged, load_network
    from ivm.training.calibrate import ask, fit, sample

    if checkpoint.suffix != ".safetensors" and (written := _large(checkpoint, output, int8)):
        emit(
            f"Exported to {written}. To use it: ivm mask PICTURE INSTRUCTION --model {written} --sam SAM --llava LLAVA"
        )
        return
    network = load_network(checkpoint)
    if average_with is not None:
        network = averaged(network, load_network(average_with), share)
    _check_folder(output)
    with bar("calibrating") as progress:
        calibration = fit(ask(network, scenes=scenes, progress=progress))
    pictures = sample(SAMPLE) if int8 else None
    folder = write(network, output, calibration=calibration, sample=pictures)
    emit(f"Exported to {folder}. To use it: ivm mask PICTURE INSTRUCTION --model {folder}")


def _large(checkpoint: Path, output: Path, int8: bool) -> Path | None:
    """Export a checkpoint of IVM-7B; None where it is of another model."""
    from ivm.training.export_ivm7b import export_ivm7b, is_ivm7b

    if not is_ivm7b(checkpoint):
        return None
    if int8:
        raise OptionError("--int8 is for ivm-nano: export IVM-7B without it, and give `ivm mask` --quantize int8")
    _check_folder(output)
    return export_ivm7b(checkpoint, output)


def _check_folder(folder: Path) -> None:
    """Find out before a minute of work whether the folder can be made."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise OutputError(f"'{folder}' cannot be written ({nearest} is a file): choose another folder")
    if not os.access(nearest, os.W_OK):
        raise OutputError(
            f"'{folder}' cannot be written: choose another folder, or change the permissions of {nearest}"
        )
