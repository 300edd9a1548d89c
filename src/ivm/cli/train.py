"""`ivm train RECIPE`: train a model as a recipe says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug, Json
from ivm.cli.progress import InterruptedJobError
from ivm.core.errors import IvmError


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file, for example recipes/ivm-nano-1.yaml.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Values instead of the recipe's, for example learning_rate=0.001 data.pictures=4.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for checkpoints, metrics and TensorBoard.")
    ] = Path("runs/nano"),
    steps: Annotated[int | None, typer.Option(help="Train for this many steps instead of the recipe's.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Train with this many processes instead of the recipe's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, the memory and the steps; train nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    debug: Debug = False,
) -> None:
    """Train a model as a recipe says; a run that was interrupted goes on where it stopped.

    Example: ivm train recipes/ivm-nano-1.yaml steps=500 -o runs/nano
    """
    from ivm.core.extras import require

    require("torch", "lightning", "tensorboard", "numba", "yaml", extra="train")
    from ivm.training.processes import is_first
    from ivm.training.recipe import parse_overrides, read_recipe
    from ivm.training.run import train as run

    options: dict[str, Any] = {"steps": steps, "processes": processes}
    given = {key: value for key, value in options.items() if value is not None}
    chosen = read_recipe(recipe, parse_overrides(overrides or []) | given)
    if dry_run:
        from ivm.training.describing import describe

        told = describe(chosen)
        emit(json.dumps(dataclasses.asdict(told)) if as_json else "\n".join(told.lines()))
        return
    first = is_first()  # of the processes that a cluster has started; the others are not heard
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
    if first and as_json:
        emit(json.dumps({"checkpoint": str(last)}))
    elif first:
        emit(f"Trained: {last}. To use it: ivm export {last} -o my-model")
