"""`ivm train RECIPE`: train a model as a recipe says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ivm.cli.console import emit
from ivm.cli.mask_many import InterruptedJobError
from ivm.cli.options import Debug
from ivm.core.errors import IvmError


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file, for example recipes/ivm-nano.yaml.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints and metrics.")] = Path(
        "runs/nano"
    ),
    steps: Annotated[int | None, typer.Option(help="Train for this many steps instead of the recipe's.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Train with this many processes instead of the recipe's.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    debug: Debug = False,
) -> None:
    """Train a model as a recipe says; a run that was interrupted goes on where it stopped.

    Example: ivm train recipes/ivm-nano.yaml -o runs/nano
    """
    from ivm.core.extras import optional

    for package in ("torch", "lightning", "numba", "yaml"):
        optional(package, extra="train")
    from ivm.training.recipe import read_recipe
    from ivm.training.run import train as run

    overrides: dict[str, Any] = {"steps": steps, "processes": processes}
    chosen = read_recipe(recipe, {key: value for key, value in overrides.items() if value is not None})
    first = os.environ.get("LOCAL_RANK", "0") == "0"  # the others run this very command, and are not heard
    try:
        last = run(chosen, output, progress=first and not quiet)
    except KeyboardInterrupt:
        raise InterruptedJobError(
            f"interrupted: run the same command again to go on from the last checkpoint in {output}"
        ) from None
    except IvmError as error:
        if not first:
            raise typer.Exit(error.exit_code) from None
        raise
    if first:
        emit(f"Trained: {last}. To use it: ivm export {last} -o my-model")
