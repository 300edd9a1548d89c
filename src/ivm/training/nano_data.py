"""Batches for `ivm-nano`: rendered tables, pictures of data sets, or both in each batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from ivm.core.instruction import token_batch
from ivm.data.augment import Sample
from ivm.data.tabletop.stream import MASK_ONE, UNKNOWN, Batch
from ivm.training.recipe import NanoRecipe
from ivm.training.record_source import RecordSamples

PLACE = "place"
"""Key of a batch under which the place after it stands, where records are read."""

_CELL = 8
"""Pixels of the picture to a place of the maps of kinds and colours."""


class NanoBatches(IterableDataset[dict[str, Any]]):
    """Batches as tensors by name: those of `data.tabletop.stream.Batch`, and for each question

    `human` (N,) float32, 1 where the mask is exact or a person's and 0 where it is a machine's;
    `given` (N,) float32, the weight that its record brings.

    Args:
        recipe: says what is drawn.
        rank: index of this process among `world`.
        world: number of processes.
        start: batches that are done.
        place: of the records after them, None at the start.
    """

    def __init__(
        self,
        recipe: NanoRecipe,
        *,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
        place: Mapping[str, Any] | None = None,
    ) -> None:
        self.recipe, self.rank, self.world, self.start, self.place = recipe, rank, world, start, place

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield batches for ever.

        Raises:
            ShardError: a data set is not there, or damaged.
            RecordError: a record is broken.
        """
        recipe = self.recipe
        tables = recipe.stream(self.rank, self.world).batches(self.start) if recipe.tabletop else None
        settings = recipe.record_settings()
        records = settings and RecordSamples(settings, seed=recipe.seed, rank=self.rank, world=self.world)
        if records and self.place is not None:
            records.go_to(self.place)
        for step in count(self.start):
            batch: dict[str, Any] = {} if tables is None else from_tabletop(next(tables))
            if records:
                size = recipe.batch_size(step) if not batch else tuple(reversed(batch["image"].shape[1:3]))
                batch = joined(batch, from_samples(records.take(size)))
                batch[PLACE] = records.place()
            yield batch


def as_tensors(batch: Batch) -> dict[str, Tensor]:
    """Turn a batch into tensors by name, without copying."""
    return {name: torch.from_numpy(array) for name, array in batch._asdict().items()}


def from_tabletop(batch: Batch) -> dict[str, Tensor]:
    """Turn a batch of rendered tables, whose masks are exact, into a batch of training."""
    one = torch.ones(len(batch.present))
    return as_tensors(batch) | {"human": one, "given": one}


def from_samples(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Turn samples of one size, whose sides are multiples of 32, into a batch of training; maps are unknown."""
    height, width = samples[0].mask.shape
    unknown = torch.full((len(samples), height // _CELL, width // _CELL), UNKNOWN, dtype=torch.uint8)
    masks = [cv2.resize(sample.mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for sample in samples]
    shares = np.round(np.stack(masks).astype(np.float32) * (MASK_ONE / 255)).astype(np.uint8)
    return {
        "image": torch.from_numpy(np.stack([sample.image for sample in samples])),
        "tokens": torch.from_numpy(token_batch([sample.instruction for sample in samples])),
        "picture": torch.arange(len(samples)),
        "mask": torch.from_numpy(shares),
        "present": torch.tensor([float(sample.present) for sample in samples]),
        "kinds": unknown,
        "colors": unknown.clone(),
        "human": torch.tensor([float(sample.source == "human") for sample in samples]),
        "given": torch.tensor([float(sample.weight) for sample in samples]),
    }


def joined(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, Any]:
    """Put two batches of one size together; the first may be empty."""
    if not first:
        return dict(second)
    longest = max(first["tokens"].shape[1], second["tokens"].shape[1])

    def padded(tokens: Tensor) -> Tensor:
        return F.pad(tokens, (0, 0, 0, longest - tokens.shape[1]))

    moved = {
        "picture": second["picture"] + len(first["image"]),
        "tokens": padded(second["tokens"]),
    }
    parts = first | {"tokens": padded(first["tokens"])}, second | moved
    return {name: torch.cat([parts[0][name], parts[1][name]]) for name in first}
