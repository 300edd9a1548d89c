"""RefCOCO, RefCOCO+ and RefCOCOg: expressions about single objects of COCO's pictures."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from ivm.core.errors import RecordError
from ivm.data.faults import BadRecordError
from ivm.data.record import Record
from ivm.data.sources.coco import CocoIndex
from ivm.data.sources.listed import ListedSource, read_json


class ReferringSource(ListedSource[int]):
    """`refs(unc).p` (or the same as JSON) beside `instances.json`; a reference with its sentences is a record."""

    def __init__(self, references: str | Path, instances: str | Path, pictures: str | Path) -> None:
        """Read the references and the instances that they mean.

        Args:
            references: list of {"ref_id", "ann_id", "sentences": [{"sent"}], "split"}, as pickle or JSON.
            instances: COCO's annotation file.
            pictures: the folder that its `file_name` is relative to.

        Raises:
            RecordError: a file cannot be read, or is not what it must be.
        """
        path = Path(references)
        listed = read_json(path) if path.suffix == ".json" else _plain_pickle(path)
        try:
            self.references: dict[int, Any] = {int(one["ref_id"]): one for one in listed}
            _ = [(one["ann_id"], [sentence["sent"] for sentence in one["sentences"]]) for one in listed]
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"'{path}' is not a list of references of RefCOCO's kind: it lacks {error}") from None
        self.index, self.pictures = CocoIndex(Path(instances)), Path(pictures)
        super().__init__(path.resolve().parent.name, path, sorted(self.references))

    def uuid(self, entry: int) -> str:
        """The reference's number."""
        return f"{self.name}-{entry}"

    def record(self, entry: int) -> Record:
        """Take the one object and all its sentences; see `ListedSource.record`."""
        reference: Mapping[str, Any] = self.references[entry]
        number = int(reference["ann_id"])
        if number not in self.index.annotations:
            raise BadRecordError("missing-mask", f"the instances have no annotation {number}")
        sentences = [sentence["sent"] for sentence in reference["sentences"]]
        record = self.index.record(self.uuid(entry), [number], sentences, self.pictures, self.name)
        split = str(reference.get("split", ""))
        return replace(record, provenance=replace(record.provenance, split=split))


class _Plain(pickle.Unpickler):
    """Reads lists, dictionaries, texts and numbers; whatever else a pickle may make is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


def _plain_pickle(path: Path) -> Any:
    try:
        return _Plain(io.BytesIO(path.read_bytes()), encoding="utf-8").load()
    except OSError as error:
        raise RecordError(f"'{path}' cannot be read ({error.strerror}): check the path") from error
    except Exception as error:  # a damaged pickle raises anything
        raise RecordError(
            f"'{path}' is not a pickle of plain data ({error}): use the file of RefCOCO's release"
        ) from None
