"""WebDataset shards: tar files in which a record is a picture, a JSON text, and a mask where that is not in the text.

    000000042.jpg        the picture (.png, or .img for any other format)
    000000042.json       uuid, instruction (list), source, weight, license, present, provenance, mask (run lengths)
    000000042.mask.png   the mask as a grey picture; .mask.jpg is an original's file, scaled when it is read

The libraries webdataset and Hugging Face datasets read such files as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from ivm.core.errors import RecordError, ShardError
from ivm.data.coding import MaskCode, picture_kind
from ivm.data.faults import BadRecordError
from ivm.data.record import Record
from ivm.data.tar import Member, Written, read_members, write_tar

_PICTURES = ("jpg", "jpeg", "png", "webp", "img")
_MASKS = ("mask.png", "mask.jpg")


class Shard:
    """An open shard: `len(shard)` records, `shard[i]` reads one; a context manager."""

    def __init__(self, path: str | Path) -> None:
        """Open a shard and read its headers, not its contents.

        Raises:
            ShardError: it is not there, no tar file, or cut short.
        """
        self.path = str(path)
        try:
            self._file = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise ShardError(f"The shard '{self.path}' cannot be read ({error.strerror}): check the path") from error
        try:
            self._rows = _rows(read_members(self._file, self.path))
        except BaseException:
            os.close(self._file)
            raise

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Record:
        """Read a record.

        Raises:
            RecordError: its parts do not make a record; the message names shard and key.
            IndexError: there are fewer.
        """
        parts = self._rows[index][1]
        told: dict[str, object] = {}
        try:
            told = self._told(parts)
            picture = next((self._bytes(parts[name]) for name in _PICTURES if name in parts), b"")
            return Record.from_json(told, picture=picture, mask_code=self._mask(parts))
        except RecordError as error:
            kind = error.kind if isinstance(error, BadRecordError) else "record"
            raise ShardRecordError(kind, f"{error} ({self.where(index)})", told.get("uuid")) from error

    def where(self, index: int) -> str:
        """Shard and key of a record, for people."""
        return f"{self.path}, {self._rows[index][0]}"

    def close(self) -> None:
        """Give the file back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Shard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _told(self, parts: dict[str, Member]) -> dict[str, object]:
        if "json" not in parts:
            raise BadRecordError("json", "there is no member .json")
        try:
            told = json.loads(self._bytes(parts["json"]))
        except ValueError as error:
            raise BadRecordError("json", f"the member .json is not JSON ({error})") from None
        if not isinstance(told, dict):
            raise BadRecordError("json", "the member .json is not an object")
        return told

    def _mask(self, parts: dict[str, Member]) -> MaskCode | None:
        for name in _MASKS:
            if name in parts:
                return MaskCode("png" if name == "mask.png" else "original", self._bytes(parts[name]))
        return None

    def _bytes(self, member: Member) -> bytes:
        return os.pread(self._file, member.size, member.offset)


class ShardRecordError(BadRecordError):
    """A record of a shard cannot be read; `uuid` is its name as far as it could be."""

    def __init__(self, kind: str, message: str, uuid: object) -> None:
        super().__init__(kind, message)
        self.uuid = uuid if isinstance(uuid, str) else ""


def write_shard(path: Path, records: Iterable[Record]) -> Written:
    """Write records as one shard, whole or not at all; equal records give equal bytes.

    Args:
        path: ends in .tar; its folder is there.
        records: consumed one at a time.

    Raises:
        OutputError: it cannot be written; DiskFullError where no space is left.
    """
    return write_tar(path, _members(records))


def shards_of(folder: str | Path) -> list[Path]:
    """The shards of a folder in the order of their names; a single .tar file is itself.

    Raises:
        ShardError: there is none.
    """
    path = Path(folder)
    if path.is_file() and path.suffix == ".tar":
        return [path]
    found = sorted(path.glob("*.tar")) if path.is_dir() else []
    if not found:
        raise ShardError(f"'{folder}' holds no shard: give a folder with .tar files, as ivm data convert writes it")
    return found


def _members(records: Iterable[Record]) -> Iterator[tuple[str, bytes]]:
    for number, record in enumerate(records):
        key, code = f"{number:09d}", record.mask_code
        yield f"{key}.{picture_kind(record.picture)}", record.picture
        yield f"{key}.json", json.dumps(record.to_json(), ensure_ascii=False).encode()
        if isinstance(code.data, bytes):
            yield f"{key}.{'mask.png' if code.kind == 'png' else 'mask.jpg'}", code.data


def _rows(members: Iterable[Member]) -> list[tuple[str, dict[str, Member]]]:
    """Members that follow one another under one key are one record; a key ends at the first dot of the file's name."""
    rows: list[tuple[str, dict[str, Member]]] = []
    for member in members:
        folder, slash, file = member.name.rpartition("/")
        stem, _, ending = file.partition(".")
        key = f"{folder}{slash}{stem}"
        if not rows or rows[-1][0] != key:
            rows.append((key, {}))
        rows[-1][1][ending.lower()] = member
    return rows
