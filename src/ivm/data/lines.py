"""A file of JSON lines by number, without its text in memory."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

from ivm.core.errors import RecordError
from ivm.data.faults import BadRecordError


class JsonLines:
    """`len(lines)` lines that are not blank; `lines[i]` reads one. Holds eight bytes a line."""

    def __init__(self, path: Path) -> None:
        """Find where each line begins.

        Raises:
            RecordError: the file cannot be read.
        """
        self.path = path
        self._places, self._numbers = array("Q"), array("Q")
        place = 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        self._places.append(place)
                        self._numbers.append(number)
                    place += len(line)
        except OSError as error:
            raise RecordError(f"'{path}' cannot be read ({error.strerror}): check the path") from error

    def __len__(self) -> int:
        return len(self._places)

    def where(self, index: int) -> str:
        """File and line, for people."""
        return f"{self.path}, line {self._numbers[index]}"

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read the object on a line.

        Raises:
            BadRecordError: it is no JSON object.
        """
        with self.path.open("rb") as file:
            file.seek(self._places[index])
            line = file.readline()
        try:
            value = json.loads(line)
        except ValueError as error:
            raise BadRecordError("json", f"the line is not JSON ({error})") from None
        if not isinstance(value, dict):
            raise BadRecordError("json", "the line is not a JSON object")
        return value
