"""`ivm eval`: measure how good a model is."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ivm.cli import eval_lmm, eval_masks, eval_reports
from ivm.cli.options import Debug, Model, threshold_of


class Renderer(StrEnum):
    """What draws the scenes."""

    fast = "fast"
    mujoco = "mujoco"


app = typer.Typer(help="Measure how good a model is.", no_args_is_help=True)
app.command("masks")(eval_masks.masks)
app.command("lmm")(eval_lmm.lmm)
app.command("diff")(eval_reports.diff)
app.command("render")(eval_reports.render)


@app.command("objects")
def objects(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders with manifest.json and masks.")],
    phrase: Annotated[
        list[str] | None,
        typer.Option(
            help="How to ask; {} is the object's name. May be repeated.", show_default="'{}' and 'pick up {}'"
        ),
    ] = None,
    model: Model = "ivm-nano",
    threshold: Annotated[
        str, typer.Option(metavar="NUMBER", help="From 0 to 1: the heatmap above it is the mask.")
    ] = "0.5",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all scores there.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Write a picture of all answers, the worst first.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Ask for every labelled object of real pictures; print pointing accuracy and mean IoU.

    A folder holds manifest.json, a list of {"image": FILE, "mask": FILE, "instruction": "the red cup"}; a mask is a
    picture of the same size, white on the object.
    """
    from rich.console import Console

    from ivm.evaluation.grounding import PHRASES
    from ivm.evaluation.session import evaluate_folders
    from ivm.inference.zoo import load

    evaluate_folders(
        load(model),
        folders,
        phrases=tuple(phrase) if phrase else PHRASES,
        threshold=threshold_of(threshold),
        json_file=json_file,
        sheet_file=sheet,
        command=shlex.join(["ivm", *sys.argv[1:]]),
        console=Console(),
    )


@app.command("scenes")
def scenes(
    count: Annotated[int, typer.Option("--scenes", min=10, help="How many scenes to render.")] = 200,
    model: Model = "ivm-nano",
    renderer: Annotated[
        Renderer,
        typer.Option(help="What draws them: fast, as for training, or mujoco, with its own light and shadows."),
    ] = Renderer.fast,
    debug: Debug = False,
) -> None:
    """Ask about rendered tables that no recipe trains on; print IoU by kind of question, and how good `found` is."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from ivm.core.extras import optional

    for package in ("numba", "mujoco") if renderer == "mujoco" else ("numba",):
        optional(package, extra="train")
    from ivm.evaluation.scenes import SceneReport, answer_scenes
    from ivm.inference.zoo import load

    aside = Console(stderr=True)
    answers = answer_scenes(load(model), scenes=count, renderer=renderer)
    report = SceneReport(tuple(track(answers, "Asking", total=count * 6, console=aside, disable=not aside.is_terminal)))
    table = Table("Question", "n", "pointing", "mean IoU", box=None, pad_edge=False)
    for form in [*report.forms, None]:
        asked = sum(score.present and form in (None, score.form) for score in report.scores)
        table.add_row(form or "all present", str(asked), str(report.pointing(form)), str(report.iou(form)))
    console = Console()
    console.print(table)
    console.print(
        f"present against absent: AUROC {report.auroc:.3f}, calibration error {report.calibration_error:.3f}",
        highlight=False,
    )
    console.print(
        f"[dim]{len(report.scores)} questions, {count} scenes; in brackets 95 % intervals, bootstrap over scenes[/]"
    )
