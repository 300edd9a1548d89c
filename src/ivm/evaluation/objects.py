"""Labelled objects in real pictures: a folder with `manifest.json`, the pictures and one binary mask an object."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivm.core.errors import ImageFormatError, RecordError
from ivm.core.images import load_image
from ivm.evaluation.metrics import Mask

MANIFEST = "manifest.json"
"""A JSON list of objects `{"image": FILE, "mask": FILE, "instruction": TEXT}`; other keys are not read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledObject:
    """One object in one picture."""

    image: Path
    mask: Path
    name: str
    """What a person would call it, with its article: "the red cup"."""

    def truth(self, shape: tuple[int, int]) -> Mask:
        """Read the mask of the object.

        Args:
            shape: (H, W) of the picture.

        Returns:
            (H, W) bool, True on the object.

        Raises:
            ImageError: the file cannot be read as a picture.
            ImageFormatError: it is of another size than the picture, or marks no pixel.
        """
        mask: Mask = load_image(self.mask)[..., 0] > 127
        if mask.shape != shape:
            raise ImageFormatError(
                f"The mask {self.mask} has {mask.shape[1]}x{mask.shape[0]} pixels, its picture "
                f"{shape[1]}x{shape[0]}: label it at the picture's size"
            )
        if not mask.any():
            raise ImageFormatError(f"The mask {self.mask} marks no pixel: leave out objects that are not to be seen")
        return mask


def read_objects(folder: str | Path) -> list[LabelledObject]:
    """Read the manifest of a folder of labelled objects; pictures and masks are not opened yet.

    Raises:
        RecordError: the folder has no manifest, or an entry of it is not an object.
    """
    path = Path(folder) / MANIFEST
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror}): give a folder with a {MANIFEST}") from error
    except ValueError as error:
        raise RecordError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise RecordError(f'{path} must be a list of objects {{"image": ..., "mask": ..., "instruction": ...}}')
    return [_object(entry, f"{path}, entry {number}", path.parent) for number, entry in enumerate(entries, start=1)]


def _object(entry: Any, where: str, folder: Path) -> LabelledObject:
    match entry:
        case {"image": str(image), "mask": str(mask), "instruction": str(name)} if image and mask and name.strip():
            return LabelledObject(image=folder / image, mask=folder / mask, name=name)
    raise RecordError(f'{where}: expected the texts "image", "mask" and "instruction", found {entry!r}')
