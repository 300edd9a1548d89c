"""What processes run that tests kill, or run side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from data_sets import make_record
from ivm.data.convert import Converted, ToOriginal, ToShards
from ivm.data.faults import Fault
from ivm.data.record import Record
from ivm.data.stream import RecordStream

FORKSERVER = get_context("forkserver")
FORKSERVER.set_forkserver_preload(["killed", "pytest"])  # pytest: each child imports the main module anew


@dataclass(frozen=True)
class SlowSource:
    """Records `r0` to `r<count - 1>`, each after a while; every tenth is broken."""

    count: int
    seconds: float = 0.002
    name: str = "slow"

    def __len__(self) -> int:
        return self.count

    def step(self, records: int) -> int:
        return records

    def describe(self) -> dict[str, Any]:
        return {"source": "slow", "count": self.count}

    def read(self, start: int, stop: int) -> Iterator[Record | Fault]:
        for number in range(start, min(stop, self.count)):
            time.sleep(self.seconds)
            if number % 10 == 9:
                yield Fault(kind="missing-picture", where="here", uuid=f"r{number}", message="gone")
            else:
                yield make_record(number)


def write(folder: Path, to: str, workers: int) -> Converted:
    """Convert 60 records, 4 a shard."""
    source = SlowSource(60)
    if to == "original":
        return ToOriginal(source=source, folder=folder, name="slow").run(workers=workers)
    return ToShards(source=source, folder=folder, name="slow", records=4).run(workers=workers)


def read(shards: Path, log: Path) -> None:
    """Read a stream, go on where the log ends, and note every record with the place after it in one line."""
    stream = RecordStream(shards, mixed=3, seed=1)
    if lines := whole_lines(log):
        stream.load_state_dict(lines[-1]["place"])
    with log.open("a", encoding="utf-8") as file:
        for record in stream:
            file.write(json.dumps({"uuid": record.uuid, "place": stream.state_dict()}) + "\n")
            file.flush()
            time.sleep(0.002)


def whole_lines(log: Path) -> list[dict[str, Any]]:
    """Lines of a log; one that a kill cut short is taken off."""
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        log.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def read_rank(shards: Path, rank: int, world: int, workers: int, out: Path) -> None:
    """Read one rank's share of an epoch, with PyTorch's worker processes if any, and write down its uuids."""
    stream = RecordStream(shards, rank=rank, world=world, transform=name_of)
    if workers:
        from ivm.data.loader import RecordLoader

        loader = RecordLoader(stream, batch_size=3, collate=list, workers=workers)
        uuids = [uuid for batch in loader for uuid in batch]
    else:
        uuids = list(stream)
    out.write_text(json.dumps(uuids), encoding="utf-8")


def name_of(record: Record, rng: object) -> str:
    """A transform that keeps the name only."""
    return record.uuid


def _begin(began: Any, target: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    began.set()
    target(*arguments)


def run_and_kill(target: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> bool:
    """Run in a process of its own, kill it with SIGKILL a while after its start; returns whether it ended by itself."""
    began = FORKSERVER.Event()
    process = FORKSERVER.Process(target=_begin, args=(began, target, arguments))
    process.start()
    assert began.wait(60), "a process starts within a minute on the busiest machine"
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == 0
