"""`ivm data`: make data sets, bring them into shards, part them; `data_looking.py` has the commands that only look."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli import data_looking
from ivm.cli.completion import listed, one_of
from ivm.cli.console import emit, tell_some
from ivm.cli.data_options import Boxes, BoxesAs, DrawnBy, Images, LayoutName, source_of
from ivm.cli.options import Debug, Renderer, RendererName, Seed
from ivm.cli.progress import Workers, bar, worker_count
from ivm.core.errors import BatchError, OptionError

if TYPE_CHECKING:
    from ivm.data.convert import Converted

app = typer.Typer(help="Make, convert, check and look at data sets.", no_args_is_help=True)
RENDERERS = {RendererName.fast: "2.5d", RendererName.mujoco: "mujoco"}
"""What records call who drew them."""

Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for what is written; made.")]
Records = Annotated[int, typer.Option("--records", min=1, help="About how many a shard holds.")]


class To(StrEnum):
    """Formats to write."""

    shards = "shards"
    original = "original"


class Masks(StrEnum):
    """How masks are written."""

    rle = "rle"
    png = "png"
    keep = "keep"


MasksAs = Annotated[Masks, typer.Option("--masks", help="Write masks as run lengths, grey PNG, or as they are.")]


class Pictures(StrEnum):
    """How pictures are written."""

    keep = "keep"
    jpg = "jpg"
    png = "png"


@app.command("make")
def make(
    output: Output,
    scenes: Annotated[int, typer.Option(min=1, help="How many tables to render.")] = 1000,
    questions: Annotated[int, typer.Option(min=1, help="Records of each table, at most.")] = 2,
    seed: Seed = 0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the pictures.")] = "320x240",
    renderer: Renderer = RendererName.fast,
    records: Records = 1000,
    masks: MasksAs = Masks.rle,
    workers: Workers = None,
    debug: Debug = False,
) -> None:
    """Render tables with things on them, ask about them, and write records with exact masks; run it again to go on.

    The same seed makes the same files, on any number of processes.

    Example: ivm data make -o shards --scenes 10000 --renderer mujoco
    """
    from ivm.core.extras import optional

    optional("numba", extra="data")
    if renderer is RendererName.mujoco:
        optional("mujoco", extra="data")
        from ivm.data.tabletop.mujoco_gl import open_context

        open_context(8, 8).free()  # tells what is missing once, before many processes would
    from ivm.data.convert import ToShards
    from ivm.data.sources.scenes import SceneSource

    width, height = _size(size)
    source = SceneSource(
        scenes=scenes, questions=questions, seed=seed, width=width, height=height, renderer=RENDERERS[renderer]
    )
    job = ToShards(source=source, folder=output, name=f"{source.name}-{seed}", records=records, masks=masks.value)
    with bar("rendering") as progress:
        written = job.run(workers=worker_count(workers), progress=progress)
    _tell(written, output, job.name)


@app.command("convert")
def convert(
    place: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of a data set, or its file of annotations.")],
    output: Output,
    to: Annotated[To, typer.Option(help="Shards, or the layout of IVM-Mix-1M.")] = To.shards,
    layout: Annotated[
        LayoutName | None, typer.Option(help="What SOURCE is.", show_default="found by what lies in it")
    ] = None,
    images: Images = None,
    boxes: BoxesAs = Boxes.padded,
    drawn_by: Annotated[
        DrawnBy | None, typer.Option(help="Who drew the masks.", show_default="what SOURCE says")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the names of files begin with.", show_default="the name of SOURCE")
    ] = None,
    records: Records = 1000,
    masks: MasksAs = Masks.rle,
    pictures: Annotated[Pictures, typer.Option(help="Files as they are, or encoded anew.")] = Pictures.keep,
    workers: Workers = None,
    debug: Debug = False,
) -> None:
    """Bring a data set into shards, or into the original's layout; run it again to go on where it stopped.

    SOURCE may be shards, IVM-Mix-1M, COCO instances or RefCOCO (both with --images), ReasonSeg, a folder with
    manifest.json and masks, pictures with object or class maps, cut-outs or videos. What is broken is left out and
    told. Another SOURCE may be converted into the same folder.

    Example: ivm data convert coco/annotations/instances_val2017.json --images coco/val2017 -o shards
    """
    from ivm.data.convert import ToOriginal, ToShards
    from ivm.data.record import plain_name

    source = source_of(place, images, boxes, layout, drawn_by)
    called = name or plain_name(source.name) or "records"
    with bar("converting") as progress:
        job: ToShards | ToOriginal
        if to is To.original:
            job = ToOriginal(source=source, folder=output, name=called)
        else:
            job = ToShards(
                source=source, folder=output, name=called, records=records, masks=masks.value, pictures=pictures.value
            )
        written = job.run(workers=worker_count(workers), progress=progress)
    _tell(written, output, called)


@app.command("split")
def split(
    place: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of a data set.")],
    output: Output,
    val: Annotated[float, typer.Option(min=0, max=1, help="Share to validate with.")] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share to test with.")] = 0.0,
    seed: Seed = 0,
    workers: Workers = None,
    debug: Debug = False,
) -> None:
    """Part a data set into train, val and test shards; videos, scenes and nearly equal pictures stay together.

    Example: ivm data split shards -o parts --val 0.1
    """
    from ivm.data.splitting import Splitter
    from ivm.data.splitting import split as part
    from ivm.data.survey import Survey

    splitter, source, count = Splitter(val=val, test=test, seed=seed), source_of(place), worker_count(workers)
    with bar("looking") as progress:
        survey = Survey(source).run(workers=count, progress=progress)
    with bar("writing") as progress:
        written = part(source, output, splitter, survey, workers=count, progress=progress)
    for name, one in written.items():
        emit(f"{name}: {one.records} records in {output / name}")


def _parts() -> Iterable[str]:
    from ivm.data.fetch import ARCHIVES

    return ARCHIVES


@app.command("fetch")
def fetch(
    what: Annotated[
        str, typer.Argument(metavar="ivm-mix-1m", help="The data set.", autocompletion=one_of("ivm-mix-1m"))
    ],
    output: Output = Path("ivm-mix-1m"),
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="human, robot or vqa; may be repeated.",
            show_default="all",
            autocompletion=listed(_parts),
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Download IVM-Mix-1M (7.4 GB), check and unpack it; run it again to go on where it stopped.

    The part vqa holds no pictures: it needs those of COCO, GQA, TextVQA, Visual Genome, Flickr30k, VSR and OpenImages,
    named to ivm data convert with --images.

    Example: ivm data fetch ivm-mix-1m --part human
    """
    from ivm.data.fetch import ARCHIVES
    from ivm.data.fetch import fetch as bring

    if what != "ivm-mix-1m":
        raise OptionError(f"No data set is called {what!r}: there is ivm-mix-1m")
    with bar("fetching") as progress:
        folders = bring(output, part or tuple(ARCHIVES), progress=progress)
    for folder in folders:
        emit(f"{folder}: to go on, ivm data convert {folder} -o shards")


for command in (data_looking.validate, data_looking.stats, data_looking.show, data_looking.card, data_looking.leaks):
    app.command(command.__name__)(command)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise OptionError(f"--size must be a width and a height such as 320x240, not {text!r}")
    return int(width), int(height)


def _tell(written: Converted, folder: Path, name: str) -> None:
    """Say what was written; what was left out is an error, after everything else is done."""
    from ivm.core.files import write_files

    emit(f"{written.records} records in {len(written.files)} files: {folder}")
    if not written.faults:
        return
    tell_some([str(fault) for fault in written.faults])
    path = folder / f"{name}.faults.json"
    told = json.dumps([fault.to_json() for fault in written.faults], indent=1, ensure_ascii=False)
    write_files([(path, told.encode())])
    raise BatchError(f"{len(written.faults)} broken records were left out, {path} names them; all others are written")
