"""`ivm eval masks`: how well a model's masks fit those of a data set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.console import command_line, emit, tables
from ivm.cli.data_options import Images, roots_of
from ivm.cli.options import Debug, Json, Model, Scores, Threshold, threshold_of
from ivm.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivm.data.faults import Fault
    from ivm.evaluation.masks.sets import MaskQuestion


class MaskLayout(StrEnum):
    """Layouts of mask data sets."""

    refcoco = "refcoco"
    grefcoco = "grefcoco"
    reasonseg = "reasonseg"
    original = "original"
    shards = "shards"
    coco = "coco"
    manifest = "manifest"


def masks(
    place: Annotated[
        Path | None, typer.Argument(metavar="SOURCE", help="Folder of a data set, or its file of annotations.")
    ] = None,
    json_file: Annotated[Path | None, typer.Argument(hidden=True)] = None,  # --json FILE, as it was called at first
    output: Scores = None,
    scenes: Annotated[
        int | None, typer.Option(min=1, help="Instead of SOURCE: so many rendered tables.", show_default=False)
    ] = None,
    layout: Annotated[
        MaskLayout | None, typer.Option(help="What SOURCE is.", show_default="found by what lies in it")
    ] = None,
    images: Images = None,
    split: Annotated[
        str | None, typer.Option(help="Only this split: val, testA, ...", show_default="all records")
    ] = None,
    by_thing: Annotated[
        bool, typer.Option("--by-thing", help="A row for each thing: the first of a record's instructions.")
    ] = False,
    model: Model = "ivm-nano",
    threshold: Threshold = "0.5",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure masks against RefCOCO, gRefCOCO, ReasonSeg, IVM-Mix, any data set of ivm data, or rendered tables.

    Prints gIoU (mean IoU), cIoU, precision, box accuracy, the pointing game, and how good the probability of presence
    is; docs/evaluation.md fixes what each means. What cannot be read counts as a miss.

    Example: ivm eval masks refcoco --images coco/train2014 --split val
    """
    from ivm import __version__
    from ivm.evaluation.masks.session import evaluate_masks
    from ivm.evaluation.masks.sets import open_masks
    from ivm.evaluation.masks.tables import rendered_masks
    from ivm.evaluation.report import weights_of
    from ivm.inference.zoo import load

    if (place is None) == (scenes is None):
        raise OptionError("Give either a SOURCE or --scenes, and not both")
    if scenes is not None:
        from ivm.core.extras import optional

        optional("numba", extra="eval")
        questions: Iterator[MaskQuestion | Fault] = rendered_masks(scenes)
    else:
        assert place is not None
        questions = open_masks(
            place, layout=layout and layout.value, images=roots_of(images or ()), split=split, by_thing=by_thing
        )
    masker = load(model)
    printed = as_json and json_file is None
    origin = {
        "command": command_line(),
        "version": __version__,
        "model": masker.model.name,
        "weights": weights_of(masker),
        "data": str(place) if place else f"{scenes} rendered tables",
        "split": split,
    }
    evaluate_masks(
        masker,
        questions,
        origin=origin,
        threshold=threshold_of(threshold),
        json_file=output or json_file,
        json_to=emit if printed else None,
        console=tables(as_json=printed),
    )
