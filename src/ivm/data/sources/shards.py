"""Shards as a source: each shard is an item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ivm.core.errors import ShardError
from ivm.data.faults import Fault
from ivm.data.shards import Shard, ShardRecordError, shards_of
from ivm.data.sources.base import Item, stamp


class ShardSource:
    """The records of shards in the order of the files."""

    def __init__(self, shards: str | Path | Sequence[Path]) -> None:
        """Take a folder with shards, one shard, or several.

        Raises:
            ShardError: there is none.
        """
        if isinstance(shards, str | Path):
            self.name = Path(shards).stem if Path(shards).suffix == ".tar" else Path(shards).resolve().name
            self.shards = shards_of(shards)
        else:
            self.name, self.shards = "shards", list(shards)

    def __len__(self) -> int:
        return len(self.shards)

    def step(self, records: int) -> int:
        """One: a shard is a good part as it is."""
        return 1

    def describe(self) -> dict[str, Any]:
        """Folder, number and stamp of the shards."""
        folders = sorted({str(path.resolve().parent) for path in self.shards})
        return {"source": "shards", "folders": folders, "shards": len(self), "stamp": stamp(*self.shards)}

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Read all records of shards `start` to `stop`; a shard that cannot be opened is one fault."""
        for path in self.shards[start:stop]:
            try:
                shard = Shard(path)
            except ShardError as error:
                yield Fault(kind="shard", where=str(path), message=str(error))
                continue
            with shard:
                for index in range(len(shard)):
                    try:
                        yield shard[index]
                    except ShardRecordError as error:
                        yield Fault.of(error, shard.where(index), error.uuid)
