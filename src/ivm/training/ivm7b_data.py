"""Batches for IVM-7B: pictures of data sets, squashed to the square that both encoders read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset

from ivm.core.instruction import check_instruction
from ivm.training.ivm7b_recipe import Ivm7bRecipe
from ivm.training.record_source import RecordSamples


class Ivm7bBatches(IterableDataset[dict[str, Any]]):
    """Batches by name: `image` (B, S, S, 3) uint8, `mask` (B, S, S) uint8 with 255 for needed, `instruction`, a list;
    `present`, `human` and `given`, each (B,) float32; and the place in the data after the batch.

    Args:
        recipe: says what is drawn.
        side: S, the side of SAM's pictures.
        rank: index of this process among `world`.
        world: number of processes.
        place: where the data goes on, None at the start.
    """

    def __init__(
        self, recipe: Ivm7bRecipe, side: int, *, rank: int = 0, world: int = 1, place: Mapping[str, Any] | None = None
    ) -> None:
        self.recipe, self.side, self.rank, self.world, self.place = recipe, side, rank, world, place

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield batches for ever.

        Raises:
            ShardError: a data set is not there, or damaged.
            RecordError: a record is broken.
            InstructionError: an instruction is too long.
        """
        records = RecordSamples(self.recipe.data(), seed=self.recipe.seed, rank=self.rank, world=self.world)
        if self.place is not None:
            records.go_to(self.place)
        while True:
            samples = records.take((self.side, self.side))
            yield {
                "image": torch.from_numpy(np.stack([sample.image for sample in samples])),
                "mask": torch.from_numpy(np.stack([sample.mask for sample in samples])),
                "instruction": [check_instruction(sample.instruction) for sample in samples],
                "present": torch.tensor([float(sample.present) for sample in samples]),
                "human": torch.tensor([float(sample.source == "human") for sample in samples]),
                "given": torch.tensor([float(sample.weight) for sample in samples]),
                "place": records.place(),
            }
