"""Questions with true masks from the data sets that papers report on, read through the data room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError, OptionError, RecordError
from ivm.data.coding import decode_picture
from ivm.data.faults import Fault
from ivm.data.record import Record
from ivm.data.sources.base import Source, read_file
from ivm.data.sources.coco import CocoIndex, segmentation_mask
from ivm.data.sources.finding import open_source
from ivm.data.sources.listed import read_json
from ivm.data.sources.reasonseg import ReasonSegSource
from ivm.evaluation.masks.scoring import IGNORE

NEEDED = 128
"""Value of a record's mask from which a pixel is needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskQuestion:
    """One instruction about one picture, with its true mask."""

    id: str
    group: str
    category: str
    picture: bytes
    """The picture's file."""
    instruction: str
    truth: NDArray[np.uint8]
    """(H, W) uint8: 1 needed, 0 not, 255 ignored."""
    present: bool


def open_masks(
    place: Path,
    *,
    layout: str | None = None,
    images: Mapping[str, Path] | None = None,
    split: str | None = None,
    by_thing: bool = False,
) -> Iterator[MaskQuestion | Fault]:
    """Read a data set question by question; what is broken comes as a `Fault` in its place.

    Args:
        place: folder or file, see `ivm data convert --help`; of gRefCOCO the folder with `grefs(unc).json`.
        layout: a layout of `ivm.data`, or "grefcoco"; None finds it out.
        images: folders of pictures that the data set only names; "" for the usual one.
        split: only records that say so ("val", "testA"); None for all.
        by_thing: a record's first instruction is the category of its questions, not whether it is there.

    Raises:
        RecordError: it is not there, or not of that layout.
        OptionError: a folder of pictures is missing, or nothing is of that split.
    """
    roots = dict(images or {})
    references = _grefs(place) if layout in (None, "grefcoco") else None
    if layout == "grefcoco" and references is None:
        raise RecordError(f"'{place}' has no grefs(unc).json: give the folder of gRefCOCO's release")
    if references:
        return _of_split(_grefcoco(references, roots), split)
    source = open_source(place, layout=layout, roots=roots)  # type: ignore[arg-type]
    return _of_split(_records(source, by_thing), split)


def _of_split(
    questions: Iterator[tuple[str, MaskQuestion | Fault]], split: str | None
) -> Iterator[MaskQuestion | Fault]:
    seen: set[str] = set()
    taken = 0
    for own, question in questions:
        seen.add(own)
        if split in (None, own):
            taken += 1
            yield question
    if not taken:
        raise OptionError(f"No question is of the split {split!r}: there are {', '.join(sorted(seen)) or 'none'}")


def _records(source: Source, by_thing: bool) -> Iterator[tuple[str, MaskQuestion | Fault]]:
    """Ask every text of every record, as RefCOCO's protocol does; of ReasonSeg's the first, as LISA's does."""
    for number in range(len(source)):
        for item in source.read(number, number + 1):
            if isinstance(item, Fault):
                yield "", item
            elif isinstance(source, ReasonSegSource):
                yield from _reasonseg(item, source.entries[number])
            else:
                yield from _of_record(item, by_thing)


def _of_record(record: Record, by_thing: bool) -> Iterator[tuple[str, MaskQuestion | Fault]]:
    split = record.provenance.split
    try:
        _, mask = record.pixels()
    except IvmError as error:
        yield split, Fault(kind="unreadable-mask", where=record.uuid, uuid=record.uuid, message=str(error))
        return
    truth = (mask >= NEEDED).astype(np.uint8)
    for number, text in enumerate(record.instructions):
        yield (
            split,
            MaskQuestion(
                id=f"{record.uuid}/{number}" if len(record.instructions) > 1 else record.uuid,
                group=record.provenance.group or record.uuid,
                category=record.instructions[0] if by_thing else ("present" if record.present else "absent"),
                picture=record.picture,
                instruction=text,
                truth=truth,
                present=record.present,
            ),
        )


def _reasonseg(record: Record, file: Path) -> Iterator[tuple[str, MaskQuestion | Fault]]:
    told = read_json(file)
    height, width = decode_picture(record.picture).shape[:2]
    yield (
        record.provenance.split,
        MaskQuestion(
            id=record.uuid,
            group=record.uuid,
            category="long" if told.get("is_sentence") else "short",
            picture=record.picture,
            instruction=record.instructions[0],
            truth=reasonseg_truth(told["shapes"], height, width),
            present=True,
        ),
    )


def reasonseg_truth(shapes: list[dict[str, Any]], height: int, width: int) -> NDArray[np.uint8]:
    """Draw ReasonSeg's polygons as LISA's evaluation does: largest first, "ignore" as 255, "flag" not at all.

    Args:
        shapes: each with "label" and "points", pairs of x and y.
        height: of the picture.
        width: of the picture.

    Returns:
        (height, width) uint8: 1 needed, 0 not, 255 ignored.
    """
    drawn = []
    for shape in shapes:
        label = str(shape["label"]).lower()
        if label == "flag":
            continue
        corners = np.asarray(shape["points"], np.float64).astype(np.int32)
        area = np.zeros((height, width), np.uint8)
        cv2.polylines(area, [corners], isClosed=True, color=1, thickness=1)
        cv2.fillPoly(area, [corners], 1)
        drawn.append((int(area.sum()), IGNORE if "ignore" in label else 1, area))
    truth = np.zeros((height, width), np.uint8)
    for _, value, area in sorted(drawn, key=lambda row: row[0], reverse=True):
        truth[area > 0] = value
    return truth


def _grefs(place: Path) -> Path | None:
    if place.is_file():
        return place if place.name.startswith("grefs") else None
    return next(iter(sorted(place.glob("grefs*.json"))), None)


def _grefcoco(references: Path, roots: Mapping[str, Path]) -> Iterator[tuple[str, MaskQuestion | Fault]]:
    """GRES's release: a reference names no, one or several annotations, with its sentences."""
    if "" not in roots:
        raise OptionError("gRefCOCO names pictures that lie elsewhere: say where with --images FOLDER")
    index = CocoIndex(references.parent / "instances.json")
    for one in read_json(references):
        try:
            split, name = str(one["split"]), f"grefcoco-{one['ref_id']}"
            sentences = [str(sentence["sent"]) for sentence in one["sentences"]]
            numbers = [] if one.get("no_target") else [int(number) for number in _listed(one["ann_id"])]
            image = index.images[int(one["image_id"])]
            height, width = int(image["height"]), int(image["width"])
            truth = np.zeros((height, width), np.uint8)
            for number in numbers:
                truth |= segmentation_mask(index.annotations[number]["segmentation"], height, width) & 1
            picture = read_file(roots[""] / image["file_name"], "missing-picture")
        except (KeyError, TypeError, ValueError) as error:
            fault = error if isinstance(error, RecordError) else RecordError(f"a reference lacks {error}")
            yield str(one.get("split", "")), Fault.of(fault, f"{references}, ref_id {one.get('ref_id')}")
            continue
        for place, text in enumerate(sentences):
            yield (
                split,
                MaskQuestion(
                    id=f"{name}/{place}",
                    group=str(one["image_id"]),
                    category="absent" if not numbers else ("one" if len(numbers) == 1 else "several"),
                    picture=picture,
                    instruction=text,
                    truth=truth,
                    present=bool(numbers),
                ),
            )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
