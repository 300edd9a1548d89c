"""Where each process of a run stands in its data; goes into the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.distributed as dist

from ivm.core.errors import TrainingError

Place = Mapping[str, Any]


class Places:
    """The places of all processes.

    Args:
        saved: one a process, as `gathered` gave them.

    Attributes:
        last: place of this process after the batch that is trained on; None where it follows from the step alone.
    """

    def __init__(self, saved: Sequence[Place | None] | None = None) -> None:
        self.saved = saved
        self.last: Place | None = None

    def gathered(self) -> list[Place | None]:
        """Return the places of all processes; each of them must call it."""
        if not dist.is_initialized():
            return [self.last]
        places: list[Place | None] = [None] * dist.get_world_size()
        dist.all_gather_object(places, self.last)
        return places

    def of(self, rank: int, world: int) -> Place | None:
        """Return where process `rank` goes on, None at the start.

        Raises:
            TrainingError: the places are of a run with another number of processes.
        """
        if self.saved is None or not any(self.saved):
            return None
        if len(self.saved) != world:
            raise TrainingError(
                f"The last checkpoint is of {len(self.saved)} processes, which stand at {len(self.saved)} places in "
                f"the records, and not of {world}: train with as many, or choose another folder"
            )
        return self.saved[rank]
