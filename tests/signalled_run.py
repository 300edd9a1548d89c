"""A run of training that a signal interrupts."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator

from ivm.data.tabletop.stream import Batch, TabletopStream
from ivm.training.recipe import NanoRecipe


class Signalled(TabletopStream):
    """Ctrl-C comes while batch 2 is rendered."""

    number = signal.SIGINT

    def batches(self, start: int = 0) -> Iterator[Batch]:
        for count, batch in enumerate(super().batches(start), start=start):
            if count == 2:
                os.kill(os.getpid(), self.number)
            yield batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignalledRecipe(NanoRecipe):
    def stream(self, rank: int = 0, world: int = 1) -> Signalled:
        return Signalled(seed=self.seed, rank=rank, world=world, **self.data)
