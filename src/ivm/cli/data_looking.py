"""The commands of `ivm data` that look at a data set and change nothing of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.console import emit, errors
from ivm.cli.data_options import Boxes, BoxesAs, Images, source_of, survey_of
from ivm.cli.options import Debug, Json, Seed
from ivm.cli.progress import Workers
from ivm.core.errors import InvalidDataError, LeakError, OptionError

if TYPE_CHECKING:
    from ivm.data.stats import Stats
    from ivm.data.survey import Survey

Places = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Folders or files; several are splits of one data set.")
]
Page = Annotated[Path, typer.Option("--output", "-o", metavar="HTML", help="The page to write.")]


def validate(
    places: Places,
    images: Images = None,
    boxes: BoxesAs = Boxes.padded,
    workers: Workers = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Name every broken record, one a line; exit with 72 if there is one.

    Missing or damaged pictures and masks, empty or constant masks, sizes that differ, a uuid given twice, a nearly
    equal picture in two splits, an instruction that is empty or not English. Splits are the SOURCEs, the folders train,
    val and test in one, or what each record says.

    Example: ivm data validate shards --json
    """
    from ivm.data.checking import faults_of

    surveys = _surveyed(places, images, boxes, workers)
    count = 0
    broken: set[tuple[str, str]] = set()
    for fault in faults_of(surveys):
        count += 1
        broken.add((fault.where, fault.uuid))
        emit(json.dumps(fault.to_json(), ensure_ascii=False) if as_json else str(fault))
    records = sum(1 for survey in surveys.values() for _ in survey)
    if count:
        raise InvalidDataError(
            f"{len(broken)} of {records} records are broken, with {count} faults: "
            "mend them, or let ivm data convert leave out those that cannot be read"
        )
    errors().print(f"{records} records, none broken")


def stats(
    places: Places,
    output: Page = Path("stats.html"),
    images: Images = None,
    boxes: BoxesAs = Boxes.padded,
    workers: Workers = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Count what a data set is made of, and draw it: instruction lengths, mask areas, who drew the masks, licences.

    Example: ivm data stats shards -o stats.html
    """
    from ivm.core.files import write_files
    from ivm.data.pages import plot_page

    counted = _stats(_surveyed(places, images, boxes, workers))
    title = ", ".join(place.name for place in places)
    write_files([(output, plot_page(title, counted.summary(), counted.plots()).encode())])
    if as_json:
        emit(json.dumps({"summary": dict(counted.summary()), **counted.plots()}, ensure_ascii=False))
        return
    for name, value in counted.summary():
        emit(f"{name}: {value}")
    errors().print(f"plots: {output}")


def show(
    place: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder or file of a data set.")],
    output: Page = Path("samples.html"),
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many samples.")] = 60,
    seed: Seed = 0,
    images: Images = None,
    boxes: BoxesAs = Boxes.padded,
    debug: Debug = False,
) -> None:
    """Write a page with random samples and their masks, one file to open in a browser or to send to somebody.

    Example: ivm data show shards --count 100
    """
    from ivm.core.files import write_files
    from ivm.data.pages import random_items, sample_page

    source = source_of(place, images, boxes)
    page = sample_page(source.name, random_items(source, count, seed))
    write_files([(output, page.encode())])
    emit(str(output))


def card(
    places: Places,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The card to write.", show_default="README.md in SOURCE"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Name of the data set.", show_default="that of SOURCE")] = None,
    workers: Workers = None,
    debug: Debug = False,
) -> None:
    """Write a card: what the data set holds, how masks are kept, which licences its records have.

    Example: ivm data card shards --title "Tables"
    """
    from ivm.core.files import write_files
    from ivm.data.stats import card as written

    if output is None and not places[0].is_dir():
        raise OptionError(f"'{places[0]}' is no folder to put a card into: say where with -o FILE")
    counted = _stats(_surveyed(places, None, Boxes.padded, workers))
    files = {
        str(path.relative_to(place)): path.stat().st_size
        for place in places
        for path in sorted(place.rglob("*") if place.is_dir() else [place])
        if path.is_file() and not path.name.startswith(".") and path.name != "README.md"
    }
    path = output or places[0] / "README.md"
    write_files([(path, written(title or places[0].resolve().name, counted, files).encode())])
    emit(str(path))


def leaks(
    train: Annotated[list[Path], typer.Argument(metavar="TRAIN...", help="Data sets to train on.")],
    against: Annotated[
        list[Path], typer.Option("--against", metavar="EVAL", help="Data set to evaluate on; may be repeated.")
    ],
    images: Images = None,
    workers: Workers = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Name every record to train on whose picture is nearly one of an evaluation set; exit with 73 if there is one.

    Example: ivm data leaks parts/train --against bench
    """
    from ivm.data.checking import leaks_of

    learnt = _surveyed(train, images, Boxes.padded, workers)
    asked = _surveyed(against, images, Boxes.padded, workers)
    found = 0
    for leak in leaks_of(list(learnt.values()), list(asked.values())):
        found += 1
        emit(json.dumps(dataclasses.asdict(leak), ensure_ascii=False) if as_json else str(leak))
    if found:
        raise LeakError(
            f"{found} records to train on show pictures of the evaluation sets: leave them out of the training"
        )
    errors().print("no picture of the evaluation sets is among those to train on")


def _surveyed(
    places: Sequence[Path], images: Sequence[str] | None, boxes: Boxes, workers: int | None
) -> Mapping[str, Survey]:
    """Look at all records; several places, or the folders of splits in one, are splits, each by its name."""
    from ivm.data.splitting import SPLITS

    if len(places) == 1 and not any(places[0].glob("*.tar")):
        inside = [places[0] / name for name in SPLITS if any((places[0] / name).glob("*.tar"))]
        places = inside or places
    surveys = {}
    for place in places:
        split = "" if len(places) == 1 else (place.name if place.name not in surveys else str(place))
        surveys[split] = survey_of(place, workers, images, boxes)
    return surveys


def _stats(surveys: Mapping[str, Survey]) -> Stats:
    from ivm.data.stats import Stats

    return Stats.of(row for survey in surveys.values() for row in survey)
