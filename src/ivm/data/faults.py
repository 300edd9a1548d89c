"""What can be wrong with a record, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass

from ivm.core.errors import RecordError

KINDS = {
    "shard": "a shard that cannot be opened",
    "json": "a line that is no JSON object",
    "uuid": "a name that no file could have",
    "missing-picture": "a picture that is not there",
    "missing-mask": "a mask that is not there",
    "unreadable-picture": "a picture that cannot be decoded",
    "unreadable-mask": "a mask that cannot be decoded",
    "size": "a mask of another size than its picture",
    "empty-mask": "a mask without a needed pixel, though the target is said to be there",
    "constant-mask": "a mask that needs every pixel alike",
    "absent-mask": "a mask with needed pixels, though the target is said not to be there",
    "instruction": "no instruction, or an empty one",
    "language": "an instruction that is not English",
    "duplicate-uuid": "a name that an earlier record has",
    "near-duplicate": "a picture that another split holds, too",
    "source": "neither human nor machine",
    "license": "no licence",
    "weight": "a weight that is no number of 0 or more",
    "box": "a box that is not inside the picture",
    "record": "another mistake",
}
"""Every kind of fault, and what it is."""


class BadRecordError(RecordError):
    """A record cannot be used; `kind` is one of `KINDS`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong with one record."""

    kind: str
    where: str
    """File and line, or shard and key."""
    uuid: str = ""
    """Empty where not even that can be read."""
    message: str

    @classmethod
    def of(cls, error: RecordError, where: str, uuid: object = "") -> Fault:
        """Tell an error of the record at `where`."""
        kind = error.kind if isinstance(error, BadRecordError) else "record"
        return cls(kind=kind, where=where, uuid=uuid if isinstance(uuid, str) else "", message=str(error))

    def to_json(self) -> dict[str, str]:
        """As a line of a file of faults holds it."""
        return {"kind": self.kind, "where": self.where, "uuid": self.uuid, "message": self.message}

    def __str__(self) -> str:
        name = f" ({self.uuid})" if self.uuid else ""
        return f"{self.kind}: {self.where}{name}: {self.message}"
