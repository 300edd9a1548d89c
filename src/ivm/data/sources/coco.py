"""COCO's annotation files: all instances of one category in one picture become one record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ivm.core.errors import OptionError, RecordError
from ivm.data.coding import Mask
from ivm.data.faults import BadRecordError
from ivm.data.phrases import ask_for
from ivm.data.record import Provenance, Record
from ivm.data.sources.base import read_file
from ivm.data.sources.listed import ListedSource, read_json
from ivm.masking.rle import decode_rle

_SHIFT = 4
"""Bits behind the point with which OpenCV takes the corners of a polygon."""

PHOTO_LICENSES = {
    1: "CC-BY-NC-SA-2.0",
    2: "CC-BY-NC-2.0",
    3: "CC-BY-NC-ND-2.0",
    4: "CC-BY-2.0",
    5: "CC-BY-SA-2.0",
    6: "CC-BY-ND-2.0",
    7: "no known copyright restrictions",
    8: "US Government Work",
}
"""COCO's numbers of the licences of photos; its annotations are CC-BY-4.0."""


class CocoSource(ListedSource[tuple[int, int]]):
    """`instances_*.json` with the folder of its pictures."""

    def __init__(self, annotations: str | Path, pictures: str | Path) -> None:
        """Read an annotation file.

        Args:
            annotations: COCO's JSON with images, annotations and categories.
            pictures: the folder that `file_name` is relative to.

        Raises:
            RecordError: the file cannot be read, or is no such file.
        """
        self.index = CocoIndex(Path(annotations))
        self.pictures = Path(pictures)
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, annotation in self.index.annotations.items():
            groups[annotation["image_id"], annotation["category_id"]].append(number)
        self.groups = dict(groups)
        super().__init__(self.index.path.stem, self.index.path, sorted(self.groups))

    def uuid(self, entry: tuple[int, int]) -> str:
        """Picture and category."""
        return f"{self.name}-{entry[0]}-{entry[1]}"

    def record(self, entry: tuple[int, int]) -> Record:
        """Join the instances of a category; see `ListedSource.record`."""
        numbers, noun = self.groups[entry], self.index.categories.get(entry[1])
        if noun is None:
            raise BadRecordError("record", f"there is no category {entry[1]}")
        crowd = any(self.index.annotations[number].get("iscrowd") for number in numbers)
        return self.index.record(
            self.uuid(entry), numbers, ask_for(noun, 2 if crowd else len(numbers)), self.pictures, self.name
        )


class CocoIndex:
    """What a file of COCO's holds, by number."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            RecordError: it cannot be read, or is no such file.
        """
        self.path = path
        told = read_json(path)
        try:
            self.images: dict[int, Any] = {image["id"]: image for image in told["images"]}
            self.annotations: dict[int, Any] = {one["id"]: one for one in told["annotations"]}
            self.categories: dict[int, str] = {one["id"]: one["name"] for one in told.get("categories", [])}
            self.licenses: dict[int, str] = {one["id"]: one.get("name", "") for one in told.get("licenses", [])}
            _ = [(one["image_id"], one["category_id"], one["segmentation"]) for one in self.annotations.values()]
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"'{path}' is not COCO's kind of file: it lacks {error}") from None

    def record(
        self, uuid: str, numbers: Sequence[int], instructions: Sequence[str], pictures: Path, name: str
    ) -> Record:
        """Make a record of one or several annotations of one picture.

        Raises:
            IvmError: the picture is missing, or a segmentation is damaged.
        """
        image = self.images.get(self.annotations[numbers[0]]["image_id"])
        if image is None:
            raise BadRecordError("missing-picture", f"the file lists no image of annotation {numbers[0]}")
        picture = read_file(pictures / image["file_name"], "missing-picture")
        height, width = int(image["height"]), int(image["width"])
        mask = np.zeros((height, width), np.uint8)
        for number in numbers:
            mask |= segmentation_mask(self.annotations[number]["segmentation"], height, width)
        license_id = image.get("license")
        photo = PHOTO_LICENSES.get(license_id) or self.licenses.get(license_id) or "unknown"
        return Record.of(
            uuid=uuid,
            image=picture,
            mask=mask,
            instructions=instructions,
            source="human",
            license=photo,
            provenance=Provenance(
                dataset=name, item=str(image["file_name"]), group=str(image["id"]), maker="people (CC-BY-4.0)"
            ),
        )


def segmentation_mask(segmentation: Any, height: int, width: int) -> Mask:
    """Draw COCO's segmentation: (H, W) uint8, 0 or 255.

    Pixels that a polygon's outline crosses count as inside.

    Args:
        segmentation: a list of polygons [x0, y0, x1, y1, ...] or [[x0, y0], ...] in pixels, or run lengths of either
            form.
        height: of the picture.
        width: of the picture.

    Raises:
        BadRecordError: none of these.
        OptionError: the run lengths are damaged.
    """
    neither = BadRecordError(
        "unreadable-mask", "the segmentation is neither polygons of three corners or more nor run lengths"
    )
    if isinstance(segmentation, Mapping):
        try:
            needed = decode_rle({"size": list(segmentation["size"]), "counts": segmentation["counts"]})
        except OptionError:
            raise
        except (KeyError, TypeError, ValueError):
            raise neither from None
        if needed.shape != (height, width):
            raise BadRecordError(
                "size", f"the run lengths are of {needed.shape[1]}x{needed.shape[0]}, not {width}x{height}"
            )
        return needed.view(np.uint8) * np.uint8(255)
    mask = np.zeros((height, width), np.uint8)
    try:
        polygons = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in segmentation]
    except (ValueError, TypeError):
        polygons = []
    if not polygons or any(len(polygon) < 3 for polygon in polygons):
        raise neither
    for polygon in polygons:  # one by one: overlapping ones must not cancel out
        # COCO counts from the corner of the first pixel, OpenCV from its middle.
        corners = np.rint((polygon - 0.5) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, shift=_SHIFT)
    return mask
