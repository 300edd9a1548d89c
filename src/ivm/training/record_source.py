"""Pictures of data sets for training: shards mixed by weight, read on from the exact place of a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from ivm.core.errors import OptionError, RecipeError
from ivm.core.recipe import check_keys
from ivm.data.augment import Augment, Sample
from ivm.data.mixture import Mixture
from ivm.data.record import Record, SourceKind
from ivm.data.stream import RecordStream
from ivm.training.checks import check_choice, check_number


@dataclass(frozen=True, kw_only=True)
class RecordSettings:
    """Which data sets a recipe reads, and how.

    Attributes:
        sources: one entry a data set: `shards`, a folder or file relative to the recipe's; `weight`, how often it is
            drawn against the others (1); `source`, "human" or "machine" where the records do not say it right.
        pictures: in a batch, each with one of its instructions.
        scale: least and greatest share of a picture's area that is kept.
        ratio: least and greatest width divided by height of what is kept.
        mirror: odds of a mirrored picture.
        light: how much exposure and colours change, from 0 to 1.
    """

    sources: list[dict[str, Any]]
    pictures: int = 8
    scale: tuple[float, float] = (0.8, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    mirror: float = 0.5
    light: float = 0.5

    def __post_init__(self) -> None:
        """Check keys and ranges; no file is looked at.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        check_number("records: pictures", self.pictures, 1, whole=True)
        if not isinstance(self.sources, list | tuple) or not self.sources:
            raise RecipeError(f"The recipe's records: sources must be a list of data sets, not {self.sources!r}")
        for entry in self.sources:
            check_keys("records: sources", entry, ("shards", "weight", "source"))
            if not isinstance(entry.get("shards"), str):
                raise RecipeError("Each of the recipe's records: sources needs the path of its shards")
            check_number("records: sources: weight", entry.get("weight", 1.0), 1e-6, math.inf)
            check_choice("records: sources: source", entry.get("source"), (None, *get_args(SourceKind)))
        self.augment((32, 32))

    def augment(self, size: tuple[int, int]) -> Augment:
        """Return what makes samples of a width and height.

        Raises:
            RecipeError: a value is impossible.
        """
        scale, ratio = tuple(self.scale), tuple(self.ratio)  # a recipe has lists
        try:
            return Augment(size=size, scale=scale, ratio=ratio, mirror=self.mirror, light=self.light)  # type: ignore[arg-type]
        except (OptionError, TypeError) as error:
            raise RecipeError(f"The recipe's records: {error}") from None

    def beside(self, folder: Path) -> dict[str, Any]:
        """Return the same with paths relative to a recipe's folder, as a recipe has them."""
        sources = [{**entry, "shards": str(folder / entry["shards"])} for entry in self.sources]
        return {"sources": sources}


class _Drawn(NamedTuple):
    """A record, and what its sample is drawn with."""

    record: Record
    rng: np.random.Generator


@dataclass(frozen=True)
class _As:
    """Keeps the record for later, when the size of the batch is known; says whose label it is."""

    source: SourceKind | None

    def __call__(self, record: Record, rng: np.random.Generator) -> _Drawn:
        return _Drawn(replace(record, source=self.source) if self.source else record, rng)


class RecordSamples:
    """Endless samples of several data sets.

    Args:
        settings: which.
        seed: of the order and of what is drawn.
        rank: index of this process among `world`.
        world: number of processes.

    Raises:
        ShardError: a data set is not there, or holds no shard.
    """

    def __init__(self, settings: RecordSettings, *, seed: int, rank: int = 0, world: int = 1) -> None:
        self.settings = settings
        streams = [
            RecordStream(
                entry["shards"],
                transform=_As(entry.get("source")),
                seed=seed,
                endless=True,
                rank=rank,
                world=world,
            )
            for entry in settings.sources
        ]
        weights = [float(entry.get("weight", 1.0)) for entry in settings.sources]
        self._mixture = Mixture(list(zip(streams, weights, strict=True)), seed=seed)
        self._items: Iterator[_Drawn] | None = None

    def take(self, size: tuple[int, int]) -> list[Sample]:
        """Return the next batch's samples, `size` being their width and height.

        Raises:
            ShardError: a shard is damaged.
            RecordError: a record is broken.
        """
        if self._items is None:
            self._items = iter(self._mixture)
        augment = self.settings.augment(size)
        drawn = [next(self._items) for _ in range(self.settings.pictures)]
        return [augment(one.record, one.rng) for one in drawn]

    def place(self) -> dict[str, Any]:
        """The place after the last sample, in JSON's types."""
        return self._mixture.state_dict()

    def go_to(self, place: Mapping[str, Any]) -> None:
        """Go on at a place.

        Raises:
            OptionError: it is of other data sets.
        """
        self._mixture.load_state_dict(place)
        self._items = None
