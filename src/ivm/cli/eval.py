"""`ivm eval`: measure how good a model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ivm.cli import eval_lmm, eval_masks, eval_reports
from ivm.cli.console import command_line, emit, tables
from ivm.cli.options import Debug, Json, Model, Renderer, RendererName, Scores, Seed, Threshold, threshold_of

app = typer.Typer(help="Measure how good a model is.", no_args_is_help=True)
app.command("masks")(eval_masks.masks)
app.command("lmm")(eval_lmm.lmm)
app.command("diff")(eval_reports.diff)
app.command("render")(eval_reports.render)


@app.command("objects")
def objects(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders with manifest.json and masks.")],
    output: Scores = None,
    phrase: Annotated[
        list[str] | None,
        typer.Option(
            help="How to ask; {} is the object's name; may be repeated.", show_default="'{}' and 'pick up {}'"
        ),
    ] = None,
    model: Model = "ivm-nano",
    threshold: Threshold = "0.5",
    sheet: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Write a picture of all answers, the worst first.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask for every labelled object of real pictures; print pointing accuracy and mean IoU.

    A folder holds manifest.json, a list of {"image": FILE, "mask": FILE, "instruction": "the red cup"}; a mask is a
    picture of the same size, white on the object.

    Example: ivm eval objects photos -o scores.json --sheet sheet.png
    """
    from ivm.evaluation.grounding import PHRASES
    from ivm.evaluation.session import evaluate_folders
    from ivm.inference.zoo import load

    evaluate_folders(
        load(model),
        folders,
        phrases=tuple(phrase) if phrase else PHRASES,
        threshold=threshold_of(threshold),
        json_file=output,
        json_to=emit if as_json else None,
        sheet_file=sheet,
        command=command_line(),
        console=tables(as_json=as_json),
    )


@app.command("scenes")
def scenes(
    count: Annotated[int, typer.Option("--scenes", min=10, help="How many scenes to render.")] = 200,
    model: Model = "ivm-nano",
    renderer: Renderer = RendererName.fast,
    seed: Seed = 900_002,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask about rendered tables that no recipe trains on; print IoU by kind of question, and how good `found` is.

    Recipes have seeds below 900000, calibration has 900001.

    Example: ivm eval scenes --model my-nano --renderer mujoco
    """
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from ivm.core.extras import require

    require("numba", extra="eval")
    if renderer is RendererName.mujoco:
        require("mujoco", extra="data")
    from ivm.evaluation.scenes import SceneReport, answer_scenes
    from ivm.inference.zoo import load

    aside = Console(stderr=True)
    answers = answer_scenes(load(model), scenes=count, seed=seed, renderer=renderer)
    report = SceneReport(tuple(track(answers, "Asking", total=count * 6, console=aside, disable=not aside.is_terminal)))
    table = Table("Question", "n", "pointing", "mean IoU", box=None, pad_edge=False)
    for form in [*report.forms, None]:
        asked = sum(score.present and form in (None, score.form) for score in report.scores)
        table.add_row(form or "all present", str(asked), str(report.pointing(form)), str(report.iou(form)))
    console = tables(as_json=as_json)
    console.print(table)
    console.print(
        f"present against absent: AUROC {report.auroc:.3f}, calibration error {report.calibration_error:.3f}",
        highlight=False,
    )
    console.print(
        f"[dim]{len(report.scores)} questions, {count} scenes; in brackets 95 % intervals, bootstrap over scenes[/]"
    )
    if as_json:
        emit(
            json.dumps({"model": model, "renderer": renderer.value, "scenes": count, "seed": seed, **report.to_json()})
        )
