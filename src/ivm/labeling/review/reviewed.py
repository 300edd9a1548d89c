"""The data set of a run after all decisions: what people kept or drew is theirs, what they rejected is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivm.data.coding import encode_mask
from ivm.data.faults import Fault
from ivm.data.record import Record
from ivm.data.sources.base import Item, stamp
from ivm.data.sources.shards import ShardSource
from ivm.labeling.review.queue import DECISIONS, Decision, Queue, read_decisions
from ivm.labeling.writer import REJECTED


class ReviewedSource:
    """Records of a run with its decisions, as a source for `ToShards`.

    Records that the run rejected come in only where a person kept or redrew them. Human records weigh 1.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the decisions.

        Raises:
            ShardError: there is no shard.
            OptionError: the file of decisions is damaged.
        """
        self.folder = Path(folder)
        self.name = f"{self.folder.resolve().name}-reviewed"
        self._shards = ShardSource(sorted({entry.shard for entry in Queue(folder).entries}))
        self._decisions = read_decisions(self.folder)

    def __len__(self) -> int:
        return len(self._shards)

    def step(self, records: int) -> int:
        """A shard becomes a shard."""
        return 1

    def describe(self) -> dict[str, Any]:
        """Shards and decisions."""
        path = self.folder / DECISIONS
        decided = stamp(path) if path.is_file() else ""
        return {"source": "reviewed", "shards": self._shards.describe(), "decisions": decided}

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Read what is left of shards `start` to `stop`."""
        for shard in range(start, min(stop, len(self))):
            rejected = self._shards.shards[shard].parent.name == REJECTED
            for item in self._shards.read(shard, shard + 1):
                if isinstance(item, Fault):
                    yield item
                    continue
                decision = self._decisions.get(item.uuid)
                if decision is None and not rejected:
                    yield item
                elif decision is not None and decision.decision != "reject":
                    yield _human(item, decision)


def _human(record: Record, decision: Decision) -> Record:
    drawn = decision.drawn()
    maker = f"{decision.by}, {decision.at}, {decision.decision} ({record.provenance.maker})"
    mask = record.mask_code if drawn is None else encode_mask(drawn.astype("uint8") * 255)
    present = record.present if drawn is None else bool(drawn.any())
    return replace(
        record,
        mask_code=mask,
        source="human",
        weight=1.0,
        present=present,
        provenance=replace(record.provenance, maker=maker),
    )
