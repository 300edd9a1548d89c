"""What a long job has done so far, one line a part, so that a run that was killed goes on and does nothing twice."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from ivm.core.errors import OptionError, OutputError
from ivm.core.files import output_error

VERSION = 1


class Journal:
    """An append-only file of JSON lines: what job this is, then one entry for each part that is done.

    An entry is written after the part's own files are in place, in one piece; a line that a kill cut short counts as
    not written. The file is locked while it is open, so that two runs never work on one job. Only the places of entries
    are kept in memory. A context manager.
    """

    def __init__(self, path: Path, job: Mapping[str, Any]) -> None:
        """Open or begin the journal of a job.

        Args:
            path: the file; its folder is made.
            job: what the parts depend on, in JSON's types.

        Raises:
            OptionError: the file is the journal of another job.
            OutputError: it cannot be written, or another process works on this job.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise output_error(path, error) from error
        try:
            _lock(self._file, path)
            self._places: dict[int, int] = {}
            self._read(job)
        except BaseException:
            self._file.close()
            raise

    @property
    def done(self) -> frozenset[int]:
        """Numbers of the parts that have an entry."""
        return frozenset(self._places)

    def entry(self, part: int) -> Any:
        """What was written of a part."""
        self._file.seek(self._places[part])
        return json.loads(self._file.readline())["entry"]

    def write(self, part: int, entry: Any) -> None:
        """Note that a part is done; what is in the file is safe from a kill at any time.

        Raises:
            OutputError: it cannot be written; DiskFullError where no space is left.
        """
        self._places[part] = self._append({"part": part, "entry": entry})

    def forget(self, part: int) -> None:
        """Count a part as not done, because its files are gone; its next entry takes the place of this one."""
        del self._places[part]

    def close(self) -> None:
        """Give the file and its lock back."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, job: Mapping[str, Any]) -> None:
        wanted = json.loads(json.dumps({"version": VERSION, "job": dict(job)}))
        self._file.seek(0)
        place = 0
        for number, line in enumerate(self._file):
            row = _row(line)
            if row is None:  # cut short by a kill: so is all that might follow
                break
            if number == 0 and row != wanted:
                raise OptionError(
                    f"'{self.path}' belongs to a job with other settings or another source: "
                    "choose another folder, or remove it to begin anew"
                )
            if number:
                self._places[row["part"]] = place
            place += len(line)
        self._file.truncate(place)
        if place == 0:
            self._append(wanted)

    def _append(self, row: Mapping[str, Any]) -> int:
        place = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self.path, error) from error
        return place


def _row(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    with contextlib.suppress(ValueError):
        row = json.loads(line)
        if isinstance(row, dict):
            return row
    return None


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes out until this one closes the file or ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # no such lock on Windows: two runs there are the user's to avoid
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OutputError(f"Another process writes '{path}': wait for it, or choose another folder") from None
