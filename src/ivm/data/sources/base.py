"""What every source of records is, whatever its files look like."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivm.core.errors import IvmError, RecordError
from ivm.data.faults import BadRecordError, Fault
from ivm.data.record import Record

Item: TypeAlias = Record | Fault
"""What a source yields: a record, or what is wrong with the one that should be there."""


class Source(Protocol):
    """An ordered, numbered set of items, any of which any process can read; can be pickled."""

    @property
    def name(self) -> str:
        """Short, for file names."""
        ...

    def __len__(self) -> int:
        """How many items there are; an item is mostly one record, but a shard or a scene holds several."""
        ...

    def step(self, records: int) -> int:
        """How many items hold about so many records."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What the records depend on, in JSON's types; equal descriptions mean equal records."""
        ...

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Read items `start` to `stop` in order; a broken one is told, not raised."""
        ...


def read_file(path: Path, kind: str) -> bytes:
    """Read a file that a record needs.

    Args:
        path: of a picture or a mask.
        kind: the fault where it is missing.

    Raises:
        BadRecordError: it is not there, or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRecordError(kind, f"the file '{path}' cannot be read ({error.strerror})") from error


def record_or_fault(make: Callable[[], Record], where: str, uuid: str) -> Item:
    """Call `make`, which returns a record or raises an error of this package, and tell the error as a fault."""
    try:
        return make()
    except RecordError as error:
        return Fault.of(error, where, uuid)
    except IvmError as error:
        return Fault(kind="unreadable-mask", where=where, uuid=uuid, message=str(error))


def stamp(*paths: Path) -> str:
    """A short text that changes when files change, by their sizes and times."""
    digest = hashlib.sha256()
    for path in paths:
        stat = path.stat()
        digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def stored_pixels(path: Path, what: Literal["mask", "picture"], mode: str | None = None) -> NDArray[Any]:
    """Decode a file as it is, or to a mode of Pillow's, where `load_image` would make colours of it.

    Raises:
        BadRecordError: it is missing or damaged.
    """
    data = read_file(path, f"missing-{what}")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert(mode) if mode else picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadRecordError(f"unreadable-{what}", f"'{path}' cannot be decoded ({error})") from error


def indices(path: Path) -> NDArray[np.uint8]:
    """Read a picture of classes or object numbers: (H, W) uint8, the palette's indices as they are in the file.

    Raises:
        BadRecordError: it is missing, damaged, or holds colours.
    """
    numbers = stored_pixels(path, "mask")
    if numbers.ndim != 2 or numbers.dtype not in (np.uint8, np.bool_):
        raise BadRecordError("unreadable-mask", f"'{path}' must hold one number of 0 to 255 a pixel")
    return numbers.astype(np.uint8)
