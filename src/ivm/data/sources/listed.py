"""The usual kind of source: a list of small things, each of which becomes a record when it is read."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from ivm.core.errors import RecordError
from ivm.data.record import Record
from ivm.data.sources.base import Item, record_or_fault, stamp

Entry = TypeVar("Entry")


class ListedSource(ABC, Generic[Entry]):
    """A source whose items are entries of a list; one entry is one record."""

    def __init__(self, name: str, listing: Path, entries: Sequence[Entry]) -> None:
        """Take the entries.

        Args:
            name: of the data set.
            listing: the file that lists them, by whose stamp the source is known again.
            entries: see the class.

        Raises:
            RecordError: there is no entry.
        """
        self.name, self.listing, self.entries = name, listing, list(entries)
        if not self.entries:
            raise RecordError(f"'{listing}' lists nothing that becomes a record: see ivm data convert --help")

    def __len__(self) -> int:
        return len(self.entries)

    def step(self, records: int) -> int:
        """An entry is a record."""
        return records

    def describe(self) -> dict[str, Any]:
        """The listing by its stamp."""
        place = str(self.listing.resolve())
        return {"source": type(self).__name__, "name": self.name, "listing": place, "stamp": stamp(self.listing)}

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Read entries `start` to `stop`."""
        for number in range(start, min(stop, len(self))):
            entry = self.entries[number]
            uuid = self.uuid(entry)
            yield record_or_fault(partial(self.record, entry), f"{self.listing}, entry {number + 1}", uuid)

    @abstractmethod
    def uuid(self, entry: Entry) -> str:
        """The name of an entry's record."""

    @abstractmethod
    def record(self, entry: Entry) -> Record:
        """Read an entry.

        Raises:
            IvmError: a file is missing or damaged, or the entry is no record.
        """


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RecordError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"'{path}' cannot be read ({error.strerror}): check the path") from error
    except ValueError as error:
        raise RecordError(f"'{path}' is not JSON ({error}): copy it again") from error
