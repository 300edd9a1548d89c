"""Tar files as shards are: members by offset, read without unpacking, written with nothing of the machine in them."""

from __future__ import annotations

import hashlib
import os
import secrets
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ivm.core.errors import IvmError, ShardError
from ivm.core.files import output_error

BLOCK = 512
_REGULAR = (b"0", b"\0")


class Member(NamedTuple):
    """One file in a tar file."""

    name: str
    offset: int
    """Where its content begins."""
    size: int


class Written(NamedTuple):
    """A tar file that is whole on the disk."""

    size: int
    sha256: str


def read_members(file: int, path: str) -> Iterator[Member]:
    """Walk over the headers of an open tar file; contents are skipped.

    Headers that say more than a name and a size (GNU's long names, PAX) are read by Python's own reader, which is
    slower.

    Args:
        file: descriptor.
        path: for messages.

    Raises:
        ShardError: this is no tar file, or it is cut short.
    """
    end = os.fstat(file).st_size
    place = 0
    while place + BLOCK <= end:
        header = os.pread(file, BLOCK, place)
        if not any(header):
            return
        _check(header, path, place)
        kind = header[156:157]
        if kind in b"LKxg":
            yield from _slowly(path, place)
            return
        size = _number(header[124:136])
        if place + BLOCK + size > end:
            break
        if kind in _REGULAR:
            prefix = _text(header[345:500]) if header[257:262] == b"ustar" else ""
            name = _text(header[:100])
            yield Member(f"{prefix}/{name}" if prefix else name, place + BLOCK, size)
        place += BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
    raise ShardError(f"The shard '{path}' is cut short at byte {end:,}: copy it again, or make it anew")


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Written:
    """Write a tar file whole or not at all; equal members give equal bytes.

    Args:
        path: its folder is there.
        members: name and content, consumed one at a time.

    Raises:
        OutputError: it cannot be written; DiskFullError where no space is left.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with temporary.open("xb") as file:
            for block in _blocks(members):
                digest.update(block)
                size += file.write(block)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except IvmError:
        raise  # of the one who makes the members
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return Written(size, digest.hexdigest())


def _blocks(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        yield info.tobuf(tarfile.USTAR_FORMAT)
        yield content
        yield bytes(-len(content) % BLOCK)
    yield bytes(2 * BLOCK)


def _slowly(path: str, start: int) -> Iterator[Member]:
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                if info.isreg() and info.offset_data > start:
                    yield Member(info.name, info.offset_data, info.size)
                tar.members = []  # type: ignore[attr-defined]  # or it would keep all of them
    except tarfile.TarError as error:
        raise ShardError(f"The shard '{path}' cannot be read ({error}): copy it again, or make it anew") from error


def _check(header: bytes, path: str, place: int) -> None:
    """Compare a header with its checksum, which counts its own field as blanks."""
    try:
        right = _number(header[148:156]) == sum(header) - sum(header[148:156]) + 8 * ord(" ")
    except ValueError:
        right = False
    if not right:
        raise ShardError(f"The shard '{path}' is no tar file, or damaged at byte {place:,}: copy it again")


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # base 256, for files of 8 GiB and more
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return int(field.split(b"\0")[0].strip() or b"0", 8)


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")
