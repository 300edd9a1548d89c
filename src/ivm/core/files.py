"""Writes files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ivm.core.errors import DiskFullError, OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""A place takes no more: the disk, the user's share of it, or the limit on the size of a file."""


def cache_folder(name: str) -> Path:
    """Where this package keeps what it can make again; `IVM_CACHE` and `XDG_CACHE_HOME` move it.

    Args:
        name: of the room's own folder in it.
    """
    named = os.environ.get("IVM_CACHE")
    if named:
        return Path(named).expanduser() / name
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ivm" / name


def write_files(files: Iterable[tuple[Path, bytes]]) -> list[Path]:
    """Write several files; each first beside its place, and all renamed only when the last one is written.

    Folders that are missing are made. When anything goes wrong before the renaming, an interruption included, what
    was there before is untouched and nothing half-written stays behind.

    Args:
        files: path and content; consumed one at a time.

    Returns:
        The paths in the same order.

    Raises:
        DiskFullError: no space is left.
        OutputError: a folder cannot be made, or a file not be written there.
    """
    with contextlib.ExitStack() as stack:
        staged = [(stack.enter_context(_beside(path, content)), path) for path, content in files]
        for temporary, path in staged:
            with output_errors(path):
                temporary.replace(path)
    return [path for _, path in staged]


@contextlib.contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """Write a temporary file in the folder of `path`, and remove it at the end if it is still there."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.write(content)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def fresh_folder(place: Path) -> Iterator[Path]:
    """Give an empty folder beside `place` to write into, which becomes `place` when the block ends well.

    Raises:
        OutputError: `place` is there already and not an empty folder, or cannot be written.
        DiskFullError: no space is left.
    """
    fresh = place.parent / f".ivm-{secrets.token_hex(6)}"
    try:
        with output_errors(place):
            if place.exists() and not (place.is_dir() and not any(place.iterdir())):
                raise OutputError(f"'{place}' is there already and not an empty folder: choose another")
            fresh.mkdir(parents=True)
            yield fresh
            fresh.replace(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextlib.contextmanager
def output_errors(where: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's refusal to write into this package's errors.

    Raises:
        DiskFullError: no space is left there.
        OutputError: it cannot be written for another reason.
        BrokenPipeError: the reader of a pipe has gone, which is no error of this kind.
    """
    try:
        yield
    except (OutputError, BrokenPipeError):
        raise
    except OSError as error:
        raise output_error(where, error) from error


def output_error(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """Return the error that tells a person why `path` could not be written, and what to do."""
    if error.errno in _FULL:
        return DiskFullError(f"No space is left to write '{path}': free some, or choose another folder")
    reason = error.strerror or str(error)
    return OutputError(f"'{path}' cannot be written ({reason}): choose another folder, or change its permissions")
