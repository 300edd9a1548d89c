"""Several streams as one, each with its share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.data.stream import RecordStream

T = TypeVar("T")

_BLOCK = 4096
"""Choices drawn at once."""


class Mixture(Generic[T]):
    """Draws each item from one of several streams, with odds that add up to one.

    A stream that ends is left out, so that of finite streams every record comes once; with endless streams the shares
    hold for ever. The place is that of every stream and one number.
    """

    def __init__(self, streams: Sequence[tuple[RecordStream[T], float]], *, seed: int = 0) -> None:
        """Mix streams.

        Args:
            streams: each with its weight, above 0; of the same rank and world.
            seed: of the choices.

        Raises:
            OptionError: there is no stream, or a weight is not above 0.
        """
        if not streams or not all(weight > 0 for _, weight in streams):
            raise OptionError("A mixture needs streams with weights above 0")
        self._streams = [stream for stream, _ in streams]
        self._weights = np.array([weight for _, weight in streams], np.float64)
        self._seed, self._step = seed, 0
        self._alive = [True] * len(streams)

    @property
    def slot(self) -> tuple[int, int]:
        """See `RecordStream.slot`."""
        return self._streams[0].slot

    def in_worker(self, worker: int, workers: int) -> None:
        """See `RecordStream.in_worker`."""
        for stream in self._streams:
            stream.in_worker(worker, workers)

    def state_dict(self) -> dict[str, Any]:
        """The place after the last item that was yielded, in JSON's types."""
        streams = [stream.state_dict() for stream in self._streams]
        weights = self._weights.tolist()
        return {"step": self._step, "alive": list(self._alive), "weights": weights, "streams": streams}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at a place.

        Raises:
            OptionError: the place is of another mixture.
        """
        if state.get("weights") != self._weights.tolist():
            raise OptionError(f"The saved place is of a mixture with the weights {state.get('weights')}: use the same")
        for stream, place in zip(self._streams, state["streams"], strict=True):
            stream.load_state_dict(place)
        self._step, self._alive = state["step"], list(state["alive"])

    def __iter__(self) -> Iterator[T]:
        """Yield items until every stream has ended; the next iteration begins their next epoch.

        Raises:
            ShardError: a shard is damaged.
            RecordError: a record is broken, and its stream does not leave such out.
        """
        running = [iter(stream) for stream in self._streams]
        draws = self._draws()
        while any(self._alive):
            if self._step % _BLOCK == 0:
                draws = self._draws()
            which = self._choice(draws[self._step % _BLOCK])
            self._step += 1
            try:
                item = next(running[which])
            except StopIteration:
                self._alive[which] = False
                continue
            yield item
        self._alive = [True] * len(self._streams)

    def _draws(self) -> NDArray[np.float64]:
        return np.random.default_rng((self._seed, self.slot[0], self._step // _BLOCK)).random(_BLOCK)

    def _choice(self, draw: float) -> int:
        ends = np.cumsum(self._weights * self._alive)
        return int(np.searchsorted(ends, draw * ends[-1], side="right"))
