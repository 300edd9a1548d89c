"""`ivm label`: the data engine; a recipe by itself is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ivm.cli.console import emit, errors, tell_some
from ivm.cli.options import Debug, Json, Model
from ivm.cli.progress import bar
from ivm.cli.serve import Port
from ivm.core.errors import BatchError


class RecipeFirst(TyperGroup):
    """Takes what is no command of the group as the argument of `run`: `ivm label recipe.yaml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front where no command stands there."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RecipeFirst,
    no_args_is_help=True,
    help="Draw masks for pictures and instructions: ivm label RECIPE runs a recipe.",
)

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file, for example recipes/label-tabletop.yaml.")]


@app.command("run")
def run(
    recipe: Recipe,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder instead of the recipe's.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help='A Ray cluster instead of the recipe\'s; "auto" finds it.')
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Label what a recipe says; run it again to go on where it stopped.

    Shards of what can be used are in the folder, of what is doubtful in its folder `rejected`, with the reason in each
    record. What could not be labelled at all is told in faults.jsonl.

    Example: ivm label recipes/label-tabletop.yaml -o labels
    """
    from ivm.core.files import write_files
    from ivm.labeling.recipe import read_recipe

    overrides = {} if output is None else {"output": str(output.resolve())}
    chosen = read_recipe(recipe, overrides)
    if address is not None:
        chosen = chosen.at(address)
    work = chosen.run(_judges() if chosen.verifier == "judge" else None)
    with bar("labelling") as progress, chosen.engine_for(work.stages) as engine:
        report = work.run(engine, progress=progress)
    faults = "".join(f"{json.dumps(fault, ensure_ascii=False)}\n" for fault in report.set_aside).encode()
    write_files([(work.folder / "report.json", json.dumps(report.to_json(), indent=1).encode()),
                 (work.folder / "faults.jsonl", faults)])  # fmt: skip
    if as_json:
        emit(json.dumps({"folder": str(work.folder), **report.to_json()}, ensure_ascii=False))
    else:
        emit("\n".join(report.lines()))
    tell_some([f"{one['kind']}: {one['where']} ({one['uuid']}): {one['message']}" for one in report.set_aside])
    if report.set_aside:
        raise BatchError(
            f"{len(report.set_aside):,} of {report.tasks:,} could not be labelled, listed in "
            f"'{work.folder / 'faults.jsonl'}'; all others are done"
        )


def _judges() -> Any:
    """What opens a judge of masks; needs the packages of training."""
    from ivm.core.extras import optional

    optional("torch", extra="train")
    from ivm.training.judge import open_judge

    return open_judge


@app.command("calibrate")
def calibrate(
    recipe: Recipe,
    on: Annotated[Path, typer.Option("--on", metavar="SOURCE", help="Data set with masks to trust.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The calibration to write.")] = Path(
        "calibration.json"
    ),
    records: Annotated[int, typer.Option(min=8, help="Labelled records to learn from, at most.")] = 200,
    debug: Debug = False,
) -> None:
    """Learn how far each expert of a recipe is to be believed, from pictures whose masks are known.

    Example: ivm label calibrate recipes/label-tabletop.yaml --on human-labelled -o calibration.json
    """
    from ivm.data.sources.finding import open_source
    from ivm.labeling.learning import learn
    from ivm.labeling.recipe import read_recipe

    chosen = read_recipe(recipe)
    with bar("calibrating") as progress:
        calibration = learn(open_source(on), chosen.expert_specs(), tuple(chosen.keep), records, progress=progress)
    calibration.write(output)
    for name, expert in calibration.experts.items():
        emit(f"{name}: weight {expert.weight:.2f}, mean IoU {expert.mean_iou:.3f} on {calibration.records} things")
    emit(f"Written: {output}. To use it: calibration: {output} in the recipe")


@app.command("review")
def review(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of ivm label.")],
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write shards with all decisions in effect here, and serve no page."),
    ] = None,
    port: Port = 8010,
    by: Annotated[str, typer.Option(help="Who decides, as records tell it.")] = "a person",
    debug: Debug = False,
) -> None:
    """Look at records, the least sure first, on a page in the browser: keep, reject or redraw.

    Decisions are in review.jsonl beside the shards. With --export they take effect: what was kept or redrawn becomes a
    human record, what was rejected is left out.

    Example: ivm label review labels
    """
    if export is not None:
        from ivm.data.convert import ToShards
        from ivm.labeling.review.reviewed import ReviewedSource

        source = ReviewedSource(folder)
        with bar("writing") as progress:
            written = ToShards(source=source, folder=export, name="reviewed").run(progress=progress)
        emit(f"{written.records:,} records in {export}")
        return
    from ivm.labeling.review.app import serve_review
    from ivm.labeling.review.queue import Queue

    queue = Queue(folder)
    errors().print(f"{len(queue.waiting()):,} of {len(queue.entries):,} records to decide about; Ctrl-C ends")
    serve_review(queue, by, port, opened=lambda address, end: emit(address))


@app.command("video")
def video(
    frames: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the frames, in the order of their names.")],
    instruction: Annotated[str, typer.Argument(metavar="INSTRUCTION", help="What to keep.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the shards; made.")],
    model: Model = "ivm-nano",
    every: Annotated[int, typer.Option(min=1, help="Frames from one key frame to the next, at most.")] = 15,
    license: Annotated[str, typer.Option(help="Of the video.")] = "unknown",
    debug: Debug = False,
) -> None:
    """Label a robot's video: a model labels key frames, and optical flow carries the mask on until it is lost.

    Example: ivm label video frames "put the duck in the pan" -o labels
    """
    from ivm.labeling.expert import Expert, ExpertSpec
    from ivm.labeling.film import label_film

    expert = Expert.load(ExpertSpec(name=Path(model).name, model=model))
    with bar("labelling") as progress:
        film = label_film(frames, instruction, expert, output, every=every, license=license, progress=progress)
    emit(f"{film.records:,} records of {film.frames:,} frames; the model was asked {film.keys:,} times, "
         f"{film.lost:,} of them because the mask was lost")  # fmt: skip
