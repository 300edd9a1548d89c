"""A folder with `manifest.json`: pictures, and a mask file for each object or question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ivm.core.errors import RecordError
from ivm.core.images import load_image
from ivm.data.faults import BadRecordError
from ivm.data.record import Provenance, Record, SourceKind
from ivm.data.sources.base import read_file
from ivm.data.sources.listed import ListedSource, read_json

MANIFEST = "manifest.json"


class ManifestSource(ListedSource[Mapping[str, str]]):
    """Entries {"image": FILE, "mask" or "teacher_mask": FILE, "instruction": TEXT}, perhaps with "video".

    A teacher's mask is a machine's, any other a person's; what people wrote down by a short name ("the red cup") and
    what a robot is told become instructions as they are.
    """

    def __init__(self, folder: str | Path, *, license: str = "Apache-2.0") -> None:
        """Read the manifest.

        Args:
            folder: of manifest, pictures and masks.
            license: of the pictures and masks.

        Raises:
            RecordError: there is no manifest, or an entry lacks something.
        """
        self.folder, self.license = Path(folder), license
        entries = read_json(self.folder / MANIFEST)
        if not isinstance(entries, list):
            raise RecordError(f"'{self.folder / MANIFEST}' must be a list of objects")
        for number, entry in enumerate(entries, start=1):
            _check(entry, f"'{self.folder / MANIFEST}', entry {number}")
        super().__init__(self.folder.resolve().name, self.folder / MANIFEST, entries)

    def uuid(self, entry: Mapping[str, str]) -> str:
        """The mask's name, for a mask is of one picture and one question."""
        return f"{self.name}-{PurePath(_mask(entry)).stem}"

    def record(self, entry: Mapping[str, str]) -> Record:
        """Read the files; see `ListedSource.record`."""
        picture = read_file(self.folder / entry["image"], "missing-picture")
        code = read_file(self.folder / _mask(entry), "missing-mask")
        mask = np.ascontiguousarray(load_image(code)[..., 0] > 127)
        drawn_by: SourceKind = "machine" if "teacher_mask" in entry else "human"
        return Record.of(
            uuid=self.uuid(entry),
            image=picture,
            mask=mask,
            instructions=[entry["instruction"]],
            source=drawn_by,
            license=self.license,
            provenance=Provenance(
                dataset=self.name,
                item=entry["image"],
                group=entry.get("video", PurePath(entry["image"]).stem),
                maker="IVM-7B" if drawn_by == "machine" else "people",
            ),
        )


def _mask(entry: Mapping[str, Any]) -> str:
    return str(entry.get("mask", entry.get("teacher_mask")))


def _check(entry: object, where: str) -> None:
    wanted = isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("image", "instruction"))
    if not wanted or not isinstance(entry.get("mask", entry.get("teacher_mask")), str):  # type: ignore[attr-defined]
        raise BadRecordError(
            "record", f'{where}: expected the texts "image", "mask" and "instruction", found {entry!r}'
        )
