"""Batches from worker processes, with a place that holds however far the workers have read ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from ivm.core.errors import OptionError
from ivm.core.extras import optional
from ivm.data.augment import Sample
from ivm.data.mixture import Mixture
from ivm.data.stream import RecordStream

T = TypeVar("T")
B = TypeVar("B")


class SampleBatch(NamedTuple):
    """B samples; the arrays are torch tensors, so that they come from workers in shared memory."""

    image: Any
    """(B, H, W, 3) uint8 RGB."""
    mask: Any
    """(B, H, W) uint8, 255 for fully needed."""
    instruction: list[str]
    weight: Any
    """(B,) float32."""
    human: Any
    """(B,) bool, whether people drew the mask."""
    present: Any
    """(B,) bool, whether the target is in the picture."""
    uuid: list[str]


def stacked(samples: Sequence[Sample]) -> SampleBatch:
    """Stack samples of one size."""
    torch = optional("torch", extra="train")
    return SampleBatch(
        image=torch.from_numpy(np.stack([sample.image for sample in samples])),
        mask=torch.from_numpy(np.stack([sample.mask for sample in samples])),
        instruction=[sample.instruction for sample in samples],
        weight=torch.tensor([sample.weight for sample in samples], dtype=torch.float32),
        human=torch.tensor([sample.source == "human" for sample in samples]),
        present=torch.tensor([sample.present for sample in samples]),
        uuid=[sample.uuid for sample in samples],
    )


class RecordLoader(Generic[T, B]):
    """Iterates batches of a stream or a mixture, read by worker processes (`torch.utils.data.DataLoader`).

    Workers deliver in turns. Each batch brings the place of its worker after it, so that `state_dict` tells what was
    delivered, not what was read ahead, and a run that goes on from it gets the next batch and loses none.
    """

    def __init__(
        self,
        stream: RecordStream[T] | Mixture[T],
        *,
        batch_size: int,
        collate: Callable[[Sequence[T]], B],
        workers: int = 0,
        ahead: int = 2,
    ) -> None:
        """Describe a loader; no process is started.

        Args:
            stream: is not to be iterated elsewhere.
            batch_size: items a batch; the last one of a worker may be smaller.
            collate: makes a batch of items, for example `stacked`.
            workers: processes; 0 reads in this one.
            ahead: batches that each worker has ready.

        Raises:
            OptionError: a number is out of range.
            MissingExtraError: PyTorch is not installed.
        """
        if batch_size < 1 or workers < 0 or ahead < 1:
            raise OptionError(
                f"batch_size and ahead must be 1 or more, workers 0 or more, not {batch_size}, {ahead}, {workers}"
            )
        optional("torch", extra="train")
        self._stream, self._batch_size, self._collate = stream, batch_size, collate
        self._workers, self._ahead = workers, ahead
        self._turn = 0
        self._places: list[Mapping[str, Any] | None] = [None] * max(1, workers)
        self._ended = [False] * max(1, workers)

    def state_dict(self) -> dict[str, Any]:
        """The place after the last batch that was delivered, in JSON's types."""
        return {"turn": self._turn, "ended": list(self._ended), "places": list(self._places)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at a place.

        Raises:
            OptionError: the place is of a loader with another number of workers.
        """
        if len(state["places"]) != len(self._places):
            raise OptionError(
                f"The saved place is of {len(state['places'])} workers, this loader has {len(self._places)}: "
                "use as many"
            )
        self._turn, self._ended, self._places = state["turn"], list(state["ended"]), list(state["places"])

    def __iter__(self) -> Iterator[B]:
        """Yield the rest of the epoch's batches; see `RecordStream`.

        Raises:
            OptionError: a loaded place is of another stream.
            ShardError: a shard is damaged.
            RecordError: a record is broken, and its stream does not leave such out.
        """
        batches = _Batches(self._stream, self._batch_size, self._collate, self._turn, self._places, self._ended)
        if self._workers == 0:
            source: Iterator[Any] = batches.of(0)
        else:
            data = optional("torch.utils.data", extra="train")
            loader = data.DataLoader(
                _dataset(batches), batch_size=None, num_workers=self._workers, prefetch_factor=self._ahead
            )
            source = iter(loader)
        for worker, place, ended, batch in source:
            self._places[worker], self._ended[worker] = place, ended
            if batch is not None:
                self._turn = (worker + 1) % len(self._places)
                yield batch
        self._turn, self._ended = 0, [False] * len(self._places)


def _dataset(batches: _Batches) -> Any:
    """Make batches what a `DataLoader` takes; a class of PyTorch's, so it is made when PyTorch is there."""

    class Batches(optional("torch.utils.data", extra="train").IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Iterator[Any]:
            return iter(batches)

        def __reduce__(self) -> tuple[Any, ...]:
            return _dataset, (batches,)

    return Batches()


class _Batches:
    """Iterates (worker, its place, whether it has ended its epoch, batch or None).

    In a `DataLoader`'s worker these are the batches of that worker.
    """

    def __init__(
        self,
        stream: RecordStream[Any] | Mixture[Any],
        batch_size: int,
        collate: Callable[[Sequence[Any]], Any],
        turn: int,
        places: Sequence[Mapping[str, Any] | None],
        ended: Sequence[bool],
    ) -> None:
        self._stream, self._batch_size, self._collate = stream, batch_size, collate
        self._turn, self._places, self._ended = turn, list(places), list(ended)

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, Any], bool, Any]]:
        info = optional("torch.utils.data", extra="train").get_worker_info()
        # The DataLoader asks its first process first; the one whose turn it is takes that place.
        return self.of((info.id + self._turn) % info.num_workers)

    def of(self, worker: int) -> Iterator[tuple[int, Mapping[str, Any], bool, Any]]:
        """Iterate the batches of one worker from its place on, whatever process this is.

        The last of them says that the worker has ended; where its items fill the last batch, a tuple without a batch
        says so after it. A worker that had ended already yields nothing.
        """
        if self._ended[worker]:
            return
        stream = self._stream
        stream.in_worker(worker, len(self._places))
        if (place := self._places[worker]) is not None:
            stream.load_state_dict(place)
        items = iter(stream)
        while batch := list(islice(items, self._batch_size)):
            ended = len(batch) < self._batch_size  # then the stream stands at its next epoch
            yield worker, stream.state_dict(), ended, self._collate(batch)
            if ended:
                return
        yield worker, stream.state_dict(), True, None
