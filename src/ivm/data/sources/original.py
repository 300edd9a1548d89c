"""The layout of IVM-Mix-1M: JSON Lines beside `img_*.jpg` and `mask_*.jpg`, or pictures in the folders of other sets.

A line is an object with `uuid`, `instruction` (a list of texts), perhaps `image` (a relative path; `img_{uuid}.jpg`
without it) and perhaps `boxes`. What `ToOriginal` adds (`mask`, `source`, `weight`, `license`, `present`,
`provenance`) is read as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

from ivm.core.errors import OptionError, RecordError
from ivm.data.boxes import BoxKind, boxes_to_mask
from ivm.data.coding import MaskCode, decode_picture, encode_mask
from ivm.data.faults import BadRecordError, Fault
from ivm.data.lines import JsonLines
from ivm.data.record import Record, SourceKind
from ivm.data.sources.base import Item, read_file, record_or_fault, stamp

EXTERNAL = {
    "coco": ("train2017", "train2014"),
    "gqa": ("images",),
    "textvqa": ("train_images",),
    "vg": ("VG_100K", "VG_100K_2"),
    "flickr30k": ("images",),
    "vsr": (),
    "openimages": (),
}
"""Data sets whose pictures the VQA part names but does not hold, and the folders that it names in them."""

LICENSE = "Apache-2.0"


class OriginalSource:
    """Records of one or several JSON Lines files in the original's layout."""

    def __init__(
        self,
        place: str | Path,
        *,
        roots: Mapping[str, Path] | None = None,
        boxes: BoxKind = "padded",
        drawn_by: SourceKind | None = None,
    ) -> None:
        """Find the lines; no picture is opened.

        Args:
            place: a JSON Lines file, or a folder with such files at any depth.
            roots: where the pictures of other data sets lie, by the first part of their path ("coco", "gqa", ...);
                the name "" stands for a folder that holds all of them.
            boxes: what the numbers of boxes are shares of.
            drawn_by: who drew the masks; else what the line says, else "human" where a folder's or file's name says
                so, and "machine" anywhere else.

        Raises:
            RecordError: there is no JSON Lines file, or one cannot be read.
            OptionError: a root is no folder.
        """
        self.place, self.roots = Path(place), dict(roots or {})
        self.boxes, self.drawn_by = boxes, drawn_by
        self.name = self.place.stem if self.place.is_file() else self.place.resolve().name
        for name, root in self.roots.items():
            if not root.is_dir():
                raise OptionError(f"The pictures of {name or 'other data sets'} are not in '{root}': it is no folder")
        self._files = [JsonLines(path) for path in _line_files(self.place)]
        self._ends = list(accumulate(len(lines) for lines in self._files))

    def __len__(self) -> int:
        return self._ends[-1]

    def step(self, records: int) -> int:
        """A line is a record."""
        return records

    def describe(self) -> dict[str, Any]:
        """The files of lines by their stamp, and how they are read."""
        return {
            "source": "original",
            "place": str(self.place.resolve()),
            "stamp": stamp(*(lines.path for lines in self._files)),
            "roots": {name: str(root.resolve()) for name, root in self.roots.items()},
            "boxes": self.boxes,
            "drawn_by": self.drawn_by,
        }

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Read lines `start` to `stop`, counted over all files in the order of their names."""
        for number in range(start, min(stop, len(self))):
            which = bisect_right(self._ends, number)
            lines = self._files[which]
            index = number - (self._ends[which - 1] if which else 0)
            where = lines.where(index)
            try:
                line = lines[index]
            except RecordError as error:
                yield Fault.of(error, where)
                continue
            uuid = line.get("uuid")
            yield record_or_fault(partial(self._record, line, lines.path), where, uuid if isinstance(uuid, str) else "")

    def _record(self, line: Mapping[str, Any], file: Path) -> Record:
        uuid = line.get("uuid")
        if not isinstance(uuid, str) or not uuid or "/" in uuid:
            raise BadRecordError("uuid", f"the uuid must be a text without a slash, not {uuid!r}")
        picture = self._picture(line, uuid, file.parent)
        told = {"source": self._drawn_by(file), "license": LICENSE, **line}
        if self.drawn_by:
            told["source"] = self.drawn_by
        told.setdefault("provenance", {"dataset": self.name, "item": str(line.get("image", uuid))})
        if isinstance(told.get("instruction"), str):
            told["instruction"] = [told["instruction"]]
        return Record.from_json(told, picture=picture, mask_code=self._mask(line, uuid, file.parent, picture))

    def _drawn_by(self, file: Path) -> SourceKind:
        inside = file.resolve().relative_to(self.place.resolve().parent)
        return "human" if "human" in str(inside).casefold() else "machine"

    def _picture(self, line: Mapping[str, Any], uuid: str, folder: Path) -> bytes:
        name = line.get("image", f"img_{uuid}.jpg")
        if not isinstance(name, str) or not name:
            raise BadRecordError("missing-picture", f'"image" must be a path, not {name!r}')
        inside = PurePosixPath(name.replace("\\", "/"))
        if not _inside(inside):
            raise BadRecordError("missing-picture", f'the path "{name}" must stay inside the data set')
        places = [folder / inside]
        first = inside.parts[0]
        if first in self.roots:
            places.append(self.roots[first].joinpath(*inside.parts[1:]))
        if "" in self.roots:
            places.append(self.roots[""] / inside)
        found = next((path for path in places if path.is_file()), None)
        if found is None:
            hint = f": say where with --images {first}=FOLDER" if first in EXTERNAL else ""
            raise BadRecordError("missing-picture", f"there is no picture '{name}'{hint}")
        return read_file(found, "missing-picture")

    def _mask(self, line: Mapping[str, Any], uuid: str, folder: Path, picture: bytes) -> MaskCode:
        exact = line.get("mask")
        if isinstance(exact, str) and _inside(PurePosixPath(exact)) and (folder / exact).is_file():
            return MaskCode("png", read_file(folder / exact, "missing-mask"))
        path = folder / f"mask_{uuid}.jpg"
        if path.is_file() or "boxes" not in line:
            return MaskCode("original", read_file(path, "missing-mask"))
        height, width = decode_picture(picture).shape[:2]
        return encode_mask(boxes_to_mask(line["boxes"], width, height, self.boxes))


def _inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and ".." not in path.parts


def _line_files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    hidden = {path for path in place.rglob("*.jsonl") if any(part[0] == "." for part in path.relative_to(place).parts)}
    found = sorted({*place.rglob("*.jsonl")} - hidden)
    if not found:
        raise RecordError(f"'{place}' holds no .jsonl file: give the folder of a data set in the original's layout")
    return found
