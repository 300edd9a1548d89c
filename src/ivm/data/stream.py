"""Records from shards for ever or for an epoch: shuffled, split over processes, resumed at the exact record.

No index of records is kept. An epoch is a permutation of the shards; each process takes its share of them, opens a few
at a time, and goes through the records of those few in one random order. All of that follows from the seed, so the
place in a stream is three numbers.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError, RecordError
from ivm.data.record import Record
from ivm.data.shards import Shard, shards_of

T = TypeVar("T")
Transform = Callable[[Record, np.random.Generator], T]
"""Makes what the stream yields of a record, for example `Augment`; the generator is the same whoever reads it."""


class RecordStream(Generic[T]):
    """Yields the records of shards, or what a transform makes of them.

    An iteration is the rest of an epoch, and the next one is the next epoch, in another order; with `endless`, it goes
    on through all of them. In the worker processes of PyTorch's `DataLoader`, each worker takes its own share.

    Several processes get parts that differ by at most a shard. To have as many batches in each, use `endless`.
    """

    @overload
    def __init__(
        self: RecordStream[Record],
        shards: str | Path | Sequence[Path],
        *,
        seed: int = ...,
        shuffle: bool = ...,
        mixed: int = ...,
        endless: bool = ...,
        rank: int = ...,
        world: int = ...,
        on_broken: Callable[[RecordError], None] | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        shards: str | Path | Sequence[Path],
        *,
        transform: Transform[T],
        seed: int = ...,
        shuffle: bool = ...,
        mixed: int = ...,
        endless: bool = ...,
        rank: int = ...,
        world: int = ...,
        on_broken: Callable[[RecordError], None] | None = ...,
    ) -> None: ...

    def __init__(
        self,
        shards: str | Path | Sequence[Path],
        *,
        transform: Transform[T] | None = None,
        seed: int = 0,
        shuffle: bool = True,
        mixed: int = 8,
        endless: bool = False,
        rank: int = 0,
        world: int = 1,
        on_broken: Callable[[RecordError], None] | None = None,
    ) -> None:
        """Describe a stream; no shard is opened.

        Args:
            shards: a folder, a shard, or paths of shards.
            transform: see `Transform`; without it the records themselves are yielded.
            seed: of the order and of what the transform draws.
            shuffle: False keeps the order of the files.
            mixed: how many shards are open, and shuffled into one another, at a time.
            endless: go on with the next epoch.
            rank: index of this process among `world` that train together.
            world: number of processes.
            on_broken: is told of a broken record, which is then left out; without it the error is raised.

        Raises:
            ShardError: there is no shard.
            OptionError: a number is out of range.
        """
        self.shards = shards_of(shards) if isinstance(shards, str | Path) else list(shards)
        if not self.shards:
            raise OptionError("A stream needs at least one shard: the list is empty")
        if seed < 0 or mixed < 1 or not 0 <= rank < world:
            raise OptionError(
                "seed must be 0 or more, mixed 1 or more and rank from 0 to world - 1, "
                f"not {seed}, {mixed} and {rank} of {world}"
            )
        self._transform, self._seed, self._shuffle, self._mixed = transform, seed, shuffle, mixed
        self._endless, self._rank, self._world, self._on_broken = endless, rank, world, on_broken
        self._slot: tuple[int, int] | None = None
        self._epoch = self._pool = self._offset = 0

    @property
    def slot(self) -> tuple[int, int]:
        """Which share of an epoch this process reads, and how many shares there are."""
        if self._slot is not None:
            return self._slot
        # Only a process that has loaded PyTorch can be one of its workers.
        data = sys.modules.get("torch.utils.data")
        info = data.get_worker_info() if data else None
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        return self._rank * workers + worker, self._world * workers

    def in_worker(self, worker: int, workers: int) -> None:
        """Read the share of a worker of this rank, whatever process this is."""
        self._slot = (self._rank * workers + worker, self._world * workers)

    def state_dict(self) -> dict[str, Any]:
        """The place after the last record that was yielded, in JSON's types."""
        return {"epoch": self._epoch, "pool": self._pool, "offset": self._offset, "stream": self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at a place.

        Raises:
            OptionError: the place is of a stream with other shards, another seed or another number of processes.
        """
        if state.get("stream") != (own := self._identity()):
            raise OptionError(
                f"The saved place is of another stream ({state.get('stream')}) than this one ({own}): "
                "use the same shards, seed, mixed, shuffle and number of processes"
            )
        self._epoch, self._pool, self._offset = state["epoch"], state["pool"], state["offset"]

    def set_epoch(self, epoch: int) -> None:
        """Begin at the start of an epoch."""
        self._epoch, self._pool, self._offset = epoch, 0, 0

    def __iter__(self) -> Iterator[T]:
        """Yield the rest of the epoch.

        Raises:
            ShardError: a shard is damaged.
            RecordError: a record is broken, and `on_broken` was not given.
        """
        while True:
            pools = self._pools()
            while self._pool < len(pools):
                with ExitStack() as stack:
                    yield from self._walk(pools[self._pool], stack)
                self._pool, self._offset = self._pool + 1, 0
            self.set_epoch(self._epoch + 1)
            if not self._endless:
                return

    def _pools(self) -> list[list[tuple[int, int, int]]]:
        """This process's share of the epoch: groups of (shard, first record, step) that are read together."""
        slot, slots = self.slot
        pieces = -(-slots // len(self.shards))  # fewer shards than processes: each is read in pieces
        units = [(shard, piece, pieces) for shard in range(len(self.shards)) for piece in range(pieces)]
        if self._shuffle:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(len(units))
            units = [units[i] for i in order]
        own = units[slot::slots]
        return [own[i : i + self._mixed] for i in range(0, len(own), self._mixed)]

    def _walk(self, pool: list[tuple[int, int, int]], stack: ExitStack) -> Iterator[T]:
        opened = [stack.enter_context(Shard(self.shards[number])) for number, _, _ in pool]
        order = self._order(
            [range(first, len(shard), step) for shard, (_, first, step) in zip(opened, pool, strict=True)]
        )
        for which, index in order[self._offset :].tolist():
            self._offset += 1
            try:
                item = self._made(opened[which][index], pool[which][0], index)
            except RecordError as error:
                if self._on_broken is None:
                    raise
                self._on_broken(error)
                continue
            yield item

    def _order(self, ranges: list[range]) -> NDArray[np.int32]:
        """(N, 2) int32: which open shard, and which record of it."""
        columns = [
            np.stack([np.full(len(r), i, np.int32), np.asarray(r, np.int32)], axis=1) for i, r in enumerate(ranges)
        ]
        rows = np.concatenate(columns)
        if not self._shuffle:
            return rows
        rng = np.random.default_rng((self._seed, self._epoch, self.slot[0], self._pool))
        return np.asarray(rows[rng.permutation(len(rows))], np.int32)

    def _made(self, record: Record, shard: int, index: int) -> T:
        if self._transform is None:
            return record  # type: ignore[return-value]  # then T is Record
        return self._transform(record, np.random.default_rng((self._seed, self._epoch, shard, index)))

    def _identity(self) -> str:
        names = "\n".join(path.name for path in self.shards)
        share = "of".join(map(str, self.slot))
        kind = f"seed{self._seed}-{'mixed' + str(self._mixed) if self._shuffle else 'sorted'}"
        return f"{len(self.shards)}shards-{hashlib.sha256(names.encode()).hexdigest()[:8]}-{kind}-{share}"
