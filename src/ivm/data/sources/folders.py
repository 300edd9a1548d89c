"""Folders of pictures with maps of objects or classes, cut-out products, and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ivm.core.errors import RecordError
from ivm.data.coding import encode_picture
from ivm.data.phrases import ask_for
from ivm.data.record import Provenance, Record
from ivm.data.sources.base import indices, read_file, stored_pixels
from ivm.data.sources.coco import PHOTO_LICENSES
from ivm.data.sources.listed import ListedSource, read_json

SMALLEST = 64
"""Pixels of a class below which nobody would ask for it."""


class Group(NamedTuple):
    """All objects of one name in one picture."""

    file: str
    name: str
    ids: tuple[int, ...]
    things: int
    split: str
    license: str


class ObjectMapSource(ListedSource[Group]):
    """`index.json` of pictures with objects, `images/`, and `instances/*.png` with one number an object.

    All objects of a name are one record, for who asks for the dog means every dog; crowds count, but where a crowd is
    all there is, nobody asks.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the index.

        Raises:
            RecordError: it cannot be read, or is not of this kind.
        """
        self.folder = Path(folder)
        path = self.folder / "index.json"
        try:
            groups = [group for image in read_json(path)["images"] for group in _groups(image)]
        except (KeyError, TypeError) as error:
            raise RecordError(f"'{path}' is not an index of pictures with objects: it lacks {error}") from None
        super().__init__(self.folder.resolve().name, path, groups)

    def uuid(self, entry: Group) -> str:
        """Picture and name."""
        return f"{self.name}-{Path(entry.file).stem}-{entry.name.replace(' ', '-')}"

    def record(self, entry: Group) -> Record:
        """Join the objects; see `ListedSource.record`."""
        picture = read_file(self.folder / "images" / entry.file, "missing-picture")
        numbers = indices(self.folder / "instances" / f"{Path(entry.file).stem}.png")
        return Record.of(
            uuid=self.uuid(entry),
            image=picture,
            mask=np.isin(numbers, entry.ids),
            instructions=ask_for(entry.name, entry.things),
            source="human",
            license=entry.license,
            provenance=Provenance(
                dataset=self.name, item=entry.file, split=entry.split, group=entry.file, maker="people (CC-BY-4.0)"
            ),
        )


def _groups(image: Any) -> list[Group]:
    names = dict.fromkeys(one["name"] for one in image["objects"] if not one["crowd"])
    license_ = PHOTO_LICENSES.get(image.get("license_id"), "unknown")
    groups = []
    for name in names:
        objects = [one for one in image["objects"] if one["name"] == name]
        # Crowds share the number 255; a crowd of another name would be in it, too.
        crowds = {one["name"] for one in image["objects"] if one["crowd"]}
        ids = tuple(255 if one["crowd"] else one["id"] for one in objects if not one["crowd"] or crowds == {name})
        count = 2 if any(one["crowd"] for one in objects) else len(objects)
        groups.append(Group(image["file"], name, ids, count, image.get("split", ""), license_))
    return groups


class ClassMapSource(ListedSource[tuple[str, str, int]]):
    """`meta.json` with classes and splits, `images/SPLIT/*.jpg` and `masks/SPLIT/*.png` with a class a pixel."""

    def __init__(self, folder: str | Path, *, license: str = "CC-BY-NC-4.0") -> None:
        """Read which classes each picture shows; the last class is no class.

        Raises:
            RecordError: the files are not of this kind.
        """
        self.folder, self.license = Path(folder), license
        path = self.folder / "meta.json"
        told = read_json(path)
        try:
            self.classes = [str(name).replace("_", " ") for name in told["classes"]]
            frames = [(split, name) for split, names in told["splits"].items() for name in names]
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"'{path}' is not a list of classes and splits: it lacks {error}") from None
        entries = [(split, name, number) for split, name in frames for number in self._shown(split, name)]
        super().__init__(self.folder.resolve().name, path, entries)

    def uuid(self, entry: tuple[str, str, int]) -> str:
        """Picture and class."""
        return f"{self.name}-{entry[1]}-{self.classes[entry[2]].replace(' ', '-')}"

    def record(self, entry: tuple[str, str, int]) -> Record:
        """Take one class; see `ListedSource.record`."""
        split, name, number = entry
        picture = read_file(self.folder / "images" / split / f"{name}.jpg", "missing-picture")
        mask = indices(self._map(split, name)) == number
        return Record.of(
            uuid=self.uuid(entry),
            image=picture,
            mask=mask,
            instructions=ask_for(self.classes[number], 1),
            source="human",
            license=self.license,
            provenance=Provenance(dataset=self.name, item=name, split=split, group=name.split("_")[0], maker="people"),
        )

    def _shown(self, split: str, name: str) -> list[int]:
        path = self._map(split, name)
        if not path.is_file():
            return [0]  # becomes a fault when it is read
        areas = np.bincount(indices(path).ravel(), minlength=256)
        return [number for number in range(len(self.classes) - 1) if areas[number] >= SMALLEST]

    def _map(self, split: str, name: str) -> Path:
        return self.folder / "masks" / split / f"{name}.png"


class CutoutSource(ListedSource[dict[str, Any]]):
    """`index.json` of products with `rgba/NAME.png`: the product is what is opaque, laid on white."""

    def __init__(self, folder: str | Path, *, license: str = "MIT") -> None:
        """Read the index.

        Raises:
            RecordError: it cannot be read, or is not of this kind.
        """
        self.folder, self.license = Path(folder), license
        path = self.folder / "index.json"
        entries = read_json(path)
        if not isinstance(entries, list) or not all(isinstance(one, dict) and "name" in one for one in entries):
            raise RecordError(f"'{path}' is not a list of products with names")
        super().__init__(self.folder.resolve().name, path, entries)

    def uuid(self, entry: dict[str, Any]) -> str:
        """The product's name."""
        return f"{self.name}-{entry['name']}"

    def record(self, entry: dict[str, Any]) -> Record:
        """Lay the product on white, for training pastes it elsewhere; see `ListedSource.record`."""
        pixels = stored_pixels(self.folder / "rgba" / f"{entry['name']}.png", "picture", "RGBA")
        white = Image.new("RGBA", (pixels.shape[1], pixels.shape[0]), "white")
        laid = np.asarray(Image.alpha_composite(white, Image.fromarray(pixels)).convert("RGB"))
        nouns = dict.fromkeys(str(entry[key]).replace("-", " ").lower() for key in ("name", "coarse") if key in entry)
        return Record.of(
            uuid=self.uuid(entry),
            image=encode_picture(laid, "jpg"),
            mask=np.ascontiguousarray(pixels[..., 3]),
            instructions=[f"the {noun}" for noun in nouns],
            source="human",
            license=self.license,
            provenance=Provenance(dataset=self.name, item=f"{entry['name']}.png", maker="people"),
        )


class VideoSource(ListedSource[tuple[str, str]]):
    """`images/VIDEO/*.jpg` and `masks/VIDEO/*.png`; the video's name is what is to be kept in all its frames."""

    def __init__(self, folder: str | Path, *, license: str = "unknown (DAVIS, research only)") -> None:
        """List the frames.

        Raises:
            RecordError: there is none.
        """
        self.folder, self.license = Path(folder), license
        frames = [(path.parent.name, path.stem) for path in sorted((self.folder / "images").glob("*/*.jpg"))]
        super().__init__(self.folder.resolve().name, self.folder / "images", frames)

    def uuid(self, entry: tuple[str, str]) -> str:
        """Video and frame."""
        return f"{self.name}-{entry[0]}-{entry[1]}"

    def record(self, entry: tuple[str, str]) -> Record:
        """Read a frame; see `ListedSource.record`."""
        video, frame = entry
        return Record.of(
            uuid=self.uuid(entry),
            image=read_file(self.folder / "images" / video / f"{frame}.jpg", "missing-picture"),
            mask=indices(self.folder / "masks" / video / f"{frame}.png") > 0,
            instructions=[f"the {video.replace('-', ' ')}"],
            source="human",
            license=self.license,
            provenance=Provenance(dataset=self.name, item=f"{video}/{frame}", group=video, maker="people"),
        )
