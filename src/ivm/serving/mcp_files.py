"""Pictures that an agent names by a path: inside the folders that were opened to it, and nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ivm.core.errors import ImageNotFoundError, ImageTooLargeError, OptionError


class Folders:
    """Folders that an agent may read pictures from, with all that is below them."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Open folders.

        Raises:
            OptionError: one of them is none.
        """
        self._roots: list[Path] = []
        for folder in folders:
            if not folder.is_dir():
                raise OptionError(f"There is no folder {str(folder)!r}: create it, or name another one")
            self._roots.append(folder.resolve())

    def __bool__(self) -> bool:
        return bool(self._roots)

    def locate(self, name: str) -> Path:
        """Find a file: by its whole path, or by one that begins in one of the folders.

        Links are followed before it is judged where the file is, so none leads out.

        Raises:
            ImageNotFoundError: it is in none of the folders, or nowhere. Which of the two stays untold.
        """
        for root in self._roots:
            try:
                path = (root / name).resolve(strict=True)
            except (OSError, ValueError, RuntimeError):  # not there, a NUL in the name, links in a circle
                continue
            if path.is_file() and path.is_relative_to(root):
                return path
        where = ", ".join(repr(str(root)) for root in self._roots) or "no folder is open: start with --folder"
        raise ImageNotFoundError(f"There is no picture {name[:200]!r} in the folders that are open here ({where})")


def read_file(path: Path, max_bytes: int) -> bytes:
    """Read a file of limited size.

    Raises:
        ImageNotFoundError: it is no plain file, or cannot be read.
        ImageTooLargeError: it has more bytes.
    """
    try:
        # Nothing waits (a pipe), and no link that was put there a moment ago is followed.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(number, "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ImageNotFoundError(f"{path.name!r} is no plain file: name a picture's file")
            if about.st_size > max_bytes:
                raise ImageTooLargeError(f"{path.name!r} has more than {max_bytes:,} bytes: make it smaller")
            return file.read(max_bytes + 1)
    except OSError as error:
        if isinstance(error, ImageNotFoundError):
            raise
        raise ImageNotFoundError(
            f"{path.name!r} cannot be read ({error.strerror}): check the right to read it"
        ) from None
