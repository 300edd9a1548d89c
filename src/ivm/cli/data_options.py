"""Options with which several commands of `ivm data` say what a data set is, and the source that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.progress import bar, worker_count

if TYPE_CHECKING:
    from ivm.data.sources.base import Source
    from ivm.data.survey import Survey


class Boxes(StrEnum):
    """What the numbers of boxes are shares of."""

    padded = "padded"
    plain = "plain"


class DrawnBy(StrEnum):
    """Who drew the masks."""

    human = "human"
    machine = "machine"


class LayoutName(StrEnum):
    """Layouts that are read."""

    shards = "shards"
    original = "original"
    coco = "coco"
    refcoco = "refcoco"
    reasonseg = "reasonseg"
    manifest = "manifest"
    object_maps = "object-maps"
    class_maps = "class-maps"
    cutouts = "cutouts"
    video = "video"


Images = Annotated[
    list[str] | None,
    typer.Option("--images", metavar="[NAME=]DIR", help="Where pictures lie that SOURCE only names; may be repeated."),
]
BoxesAs = Annotated[
    Boxes, typer.Option("--boxes", help="Boxes are shares of the padded square, or of width and height.")
]


def source_of(
    place: Path,
    images: Sequence[str] | None = None,
    boxes: Boxes = Boxes.padded,
    layout: LayoutName | None = None,
    drawn_by: DrawnBy | None = None,
) -> Source:
    """Open the data set that the options mean.

    Raises:
        RecordError: it is not there, or not of that layout.
        OptionError: it needs a folder of pictures, and none was given.
    """
    from ivm.data.sources.finding import open_source

    return open_source(
        place,
        layout=layout.value if layout else None,
        roots=roots_of(images or ()),
        boxes=boxes.value,
        drawn_by=drawn_by.value if drawn_by else None,
    )


def survey_of(
    place: Path, workers: int | None, images: Sequence[str] | None = None, boxes: Boxes = Boxes.padded
) -> Survey:
    """Look at all records of the data set that the options mean; raises as `source_of` does."""
    from ivm.data.survey import Survey

    with bar(f"looking at {place.name}") as progress:
        return Survey(source_of(place, images, boxes)).run(workers=worker_count(workers), progress=progress)


def roots_of(texts: Sequence[str]) -> dict[str, Path]:
    """Read `--images`: "coco=DIR" names a data set's pictures, "DIR" is the folder of all."""
    roots = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        roots[name if equals else ""] = Path(folder if equals else text)
    return roots
