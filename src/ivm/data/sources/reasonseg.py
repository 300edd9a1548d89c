"""ReasonSeg: a picture, and beside it a JSON file with questions and polygons of what answers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivm.core.errors import RecordError
from ivm.data.coding import decode_picture
from ivm.data.faults import BadRecordError
from ivm.data.record import Provenance, Record
from ivm.data.sources.base import read_file
from ivm.data.sources.coco import segmentation_mask
from ivm.data.sources.listed import ListedSource, read_json


class ReasonSegSource(ListedSource[Path]):
    """A folder of `NAME.jpg` with `NAME.json`."""

    def __init__(self, folder: str | Path) -> None:
        """List the folder.

        Raises:
            RecordError: it holds no such pair.
        """
        place = Path(folder)
        super().__init__(place.resolve().name, place, sorted(place.glob("*.json")))

    def uuid(self, entry: Path) -> str:
        """The file's name."""
        return f"{self.name}-{entry.stem}".replace(" ", "-")

    def record(self, entry: Path) -> Record:
        """Draw the targets, then take away what is to be ignored; see `ListedSource.record`."""
        told = read_json(entry)
        picture = read_file(entry.with_suffix(".jpg"), "missing-picture")
        height, width = decode_picture(picture).shape[:2]
        try:
            shapes = [(str(shape["label"]), shape["points"]) for shape in told["shapes"]]
            texts = [told["text"]] if isinstance(told["text"], str) else list(told["text"])
        except (KeyError, TypeError) as error:
            raise RecordError(f"it is not a file of ReasonSeg's: it lacks {error}") from None
        mask = np.zeros((height, width), np.uint8)
        for label, points in shapes:
            if label == "target":
                mask |= segmentation_mask([points], height, width)
        for label, points in shapes:
            if "ignore" in label:
                mask[segmentation_mask([points], height, width) > 0] = 0
        if not shapes:
            raise BadRecordError("missing-mask", "there is no shape")
        return Record.of(
            uuid=self.uuid(entry),
            image=picture,
            mask=mask,
            instructions=texts,
            source="human",
            license="Apache-2.0",
            provenance=Provenance(
                dataset="ReasonSeg", item=entry.stem, split=self.name if self.name in ("train", "val", "test") else ""
            ),
        )
