"""`ivm robot`: demonstrations, policies and rollouts on a simulated table, with and without masks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivm.cli.completion import listed, one_of
from ivm.cli.console import emit
from ivm.cli.options import Debug, Json, Model, Seed
from ivm.cli.progress import InterruptedJobError, bars

if TYPE_CHECKING:
    from ivm.robotics.recipe import RobotRecipe
    from ivm.robotics.study import Study

app = typer.Typer(help="A simulated robot that follows instructions, with and without masks.", no_args_is_help=True)

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file, for example recipes/robot-quick.yaml.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the experiment; made.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the data set.")]


def _fills() -> Iterable[str]:
    from ivm.robotics.fills import FILLS

    return FILLS


def _levels() -> Iterable[str]:
    from ivm.robotics.levels import LEVELS

    return LEVELS


@app.command("collect")
def collect(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the data set; made.")],
    episodes: Annotated[int, typer.Option(min=1, help="How many demonstrations.")] = 50,
    verb: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="pick, put or push; may be repeated.",
            show_default="all",
            autocompletion=one_of("pick", "put", "push"),
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the pictures in pixels.")] = 128,
    seed: Seed = 0,
    debug: Debug = False,
) -> None:
    """Let the scripted expert show tasks; write them as a LeRobot data set (format v3.0).

    Example: ivm robot collect -o demos --episodes 50 --verb pick --verb put
    """
    _needs()
    from ivm.robotics.collect import collect as run

    with _bar() as show:
        verbs: Any = tuple(verb) if verb else ("pick", "put", "push")
        run(
            output, episodes=episodes, verbs=verbs, size=size, seed=seed, progress=lambda a, b: show("collecting", a, b)
        )
    emit(f"Wrote {episodes} episodes: {output}")


@app.command("mask")
def mask(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the new data set; made.")],
    camera: Annotated[str | None, typer.Option(help="Key of the pictures.", show_default="the only one")] = None,
    fill: Annotated[
        str, typer.Option(help="white, blur, mean, inpaint or tint.", autocompletion=listed(_fills))
    ] = "white",
    every: Annotated[int, typer.Option(min=1, help="Ask the model about every so many frames.")] = 1,
    robot: Annotated[str | None, typer.Option(help="Keep what this finds too, for example 'the robot arm'.")] = None,
    model: Model = "ivm-nano",
    debug: Debug = False,
) -> None:
    """Rewrite a LeRobot data set with pictures masked by each episode's task.

    Example: ivm robot mask demos -o demos-masked --fill white
    """
    from ivm.core.extras import optional

    optional("pyarrow", extra="robot")
    from ivm.inference.zoo import load
    from ivm.robotics.fills import check_fill
    from ivm.robotics.rewrite import rewrite

    chosen = check_fill(fill)
    with _bar() as show:
        rewrite(
            folder,
            output,
            load(model).model,
            camera=camera,
            fill=chosen,
            every=every,
            robot=robot,
            progress=lambda a, b: show("masking", a, b),
        )
    emit(f"Masked: {output}")


@app.command("train")
def train(
    recipe: Recipe,
    output: Output = Path("runs/robot"),
    arm: Annotated[str | None, typer.Option(help="Train this arm only.", show_default="all")] = None,
    debug: Debug = False,
) -> None:
    """Train the policies of a recipe; collects the demonstrations first where they are missing.

    Example: ivm robot train recipes/robot-quick.yaml -o runs/robot --arm plain
    """
    with _study(recipe, output) as study:
        for one in [study.recipe.arm(arm)] if arm else study.recipe.arms:
            for seed in study.recipe.seeds:
                emit(f"Trained: {study.train(one, seed)}")


@app.command("rollout")
def rollout(
    recipe: Recipe,
    output: Output = Path("runs/robot"),
    arm: Annotated[str | None, typer.Option(help="The arm whose policy works.", show_default="the first")] = None,
    level: Annotated[
        str, typer.Option(help="How far from training: see docs/robotics.md.", autocompletion=listed(_levels))
    ] = "trained",
    debug: Debug = False,
) -> None:
    """Let a policy work through the first episodes of a level; print the success rate and keep videos.

    Example: ivm robot rollout recipes/robot-quick.yaml -o runs/robot --arm nano --level distractors
    """
    with _study(recipe, output) as study:
        from ivm.robotics.intervals import wilson
        from ivm.robotics.levels import level_of

        level_of(level)
        chosen = study.recipe.arm(arm) if arm else study.recipe.arms[0]
        outcomes = study.roll(chosen, level, study.recipe.seeds[0], 0)
        rate = wilson(sum(one.success for one in outcomes), len(outcomes))
        emit(f"{chosen.name} on {level}: success {rate}, {len(outcomes)} episodes")
        for number in range(study.recipe.videos):
            emit(f"Video: {study.film(chosen.name, level, number)}")


@app.command("report")
def report(
    recipe: Recipe,
    output: Output = Path("runs/robot"),
    now: Annotated[bool, typer.Option("--now", help="Report what is there, without doing what is missing.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Do everything that a recipe says and write one HTML report; a run that was interrupted goes on.

    Example: ivm robot report recipes/robot-quick.yaml -o runs/robot
    """
    with _study(recipe, output) as study:
        from ivm.robotics.page import write_page
        from ivm.robotics.verdict import verdicts

        cells = study.cells() if now else study.run()
        sentences = verdicts(cells, study.recipe.arms[0].name)
        page = write_page(study, output / "report.html")
        if as_json:
            rows = [
                {"arm": cell.arm, "level": cell.level, **cell.rate._asdict(), "overlap": cell.overlap} for cell in cells
            ]
            emit(json.dumps({"page": str(page), "cells": rows, "sentences": list(sentences)}, ensure_ascii=False))
            return
        for cell in cells:
            emit(f"{cell.arm:16} {cell.level:12} {cell.rate}  n={cell.rate.episodes}")
        for sentence in sentences:
            emit(sentence)
        emit(f"Report: {page}")


def _needs() -> None:
    from ivm.core.extras import require

    require("gymnasium", "mujoco", "numba", "pyarrow", "torch", "yaml", extra="robot")


@contextlib.contextmanager
def _study(recipe: Path, output: Path) -> Iterator[Study]:
    _needs()
    import torch

    from ivm.robotics.recipe import read_recipe
    from ivm.robotics.study import Study

    chosen: RobotRecipe = read_recipe(recipe)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    with _bar() as show:
        yield Study(chosen, output, progress=show)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[str, int, int], object]]:
    """Show a bar on standard error whose text says what is being done.

    Raises:
        InterruptedJobError: Ctrl-C, which loses at most the part in work.
    """
    try:
        with bars() as shown:
            task = shown.add_task("starting", total=None)
            yield lambda what, done, total: shown.update(task, description=what, completed=done, total=total)
    except KeyboardInterrupt:
        raise InterruptedJobError("interrupted: run the same command again to go on") from None
