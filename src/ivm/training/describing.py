"""What a run would train, take and do, told without training: the dry run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ivm.core.extras import require
from ivm.training.ivm7b_recipe import PACKAGES, Ivm7bRecipe
from ivm.training.nano import NanoModule
from ivm.training.nano_data import PLACE, NanoBatches
from ivm.training.recipe import Recipe, model_of

_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a run is.

    Attributes:
        model: "nano" or "ivm-7b".
        parts: parameters of each part that are trained, and that are frozen.
        weights: bytes of the weights that one process keeps.
        learning: bytes of gradients, the optimiser's two moments and the average in one process.
        activations: bytes that one batch leaves for the backward pass, measured; None where that needs the whole model.
        steps: of the optimiser, those of the discriminator alone among them.
        pictures: a step shows to all processes.
    """

    model: str
    parts: Mapping[str, tuple[int, int]]
    weights: int
    learning: int
    activations: int | None
    steps: int
    pictures: int

    @property
    def trained(self) -> int:
        """Parameters that are trained."""
        return sum(trained for trained, _ in self.parts.values())

    @property
    def frozen(self) -> int:
        """Parameters that stay as they are."""
        return sum(frozen for _, frozen in self.parts.values())

    def lines(self) -> list[str]:
        """The same as text."""
        rows = [
            f"{name}: {trained:,} parameters trained, {frozen:,} frozen"
            for name, (trained, frozen) in self.parts.items()
        ]
        activations = "not known before it runs" if self.activations is None else _size(self.activations)
        return [
            f"model {self.model}: {self.trained:,} parameters trained, {self.frozen:,} frozen",
            *(f"  {row}" for row in rows),
            "memory of each process:",
            f"  weights {_size(self.weights)}",
            f"  gradients, optimiser and average {_size(self.learning)}",
            f"  activations of a batch {activations}",
            f"{self.steps:,} steps of {self.pictures:,} pictures: {self.steps * self.pictures:,} in all",
        ]


def describe(recipe: Recipe) -> Description:
    """Describe a run. A nano reads one batch, and so finds out whether its data is there; a 7B reads no weights.

    Raises:
        ShardError: the recipe's records are not there or damaged.
        CheckpointError: the weights to start from are damaged or do not go together.
        FetchError: they are not here and cannot be downloaded.
    """
    if isinstance(recipe, Ivm7bRecipe):
        return _large(recipe)
    module = NanoModule(recipe)
    batch = next(iter(NanoBatches(recipe)))
    batch.pop(PLACE, None)
    pictures = len(batch["image"])
    shape = {name: part for name, part in module.named_children() if next(part.parameters(), None) is not None}
    return _description(recipe, shape, _activations(module, batch), pictures)


def _large(recipe: Ivm7bRecipe) -> Description:
    require(*PACKAGES, extra="full")
    from ivm.models.ivm7b.network import TRAINED
    from ivm.models.ivm7b.weights import Stored
    from ivm.training.ivm7b_start import open_start, precision

    with tempfile.TemporaryDirectory() as folder:
        parts = open_start(recipe, Path(folder))

    shards = recipe.processes * recipe.nodes if recipe.strategy == "fsdp" else 1

    def size(name: str, stored: Stored) -> int:
        whole = stored.numel * (4 if TRAINED.match(name) else precision(parts, recipe).itemsize)
        return whole if name.startswith("image_encoder.") else whole // shards  # as `sharding.shard` does it

    groups: dict[str, tuple[int, int]] = {}
    for name, stored in parts.weights.items():
        if name.endswith("decoder.position"):
            continue  # a table, no parameter
        part = "adapters" if ".lora_" in name else name.partition(".")[0]
        trained, frozen = groups.get(part, (0, 0))
        learns = bool(TRAINED.match(name))
        groups[part] = (trained + stored.numel * learns, frozen + stored.numel * (not learns))
    if recipe.make_weighting().judged:
        width, rank = parts.config.projector[0], recipe.judge().lora_rank
        inner = max(8, width // 4)
        ours = parts.config.lora.rank if parts.config.lora else rank
        groups["discriminator"] = (groups["adapters"][0] * rank // ours + (width + 2) * inner + 2 * inner + 1, 0)
    weights = sum(size(name, stored) for name, stored in parts.weights.items())
    weights += 4 * groups.get("discriminator", (0, 0))[0] // shards
    told = _told(recipe, groups, weights, None, recipe.data().pictures)
    return replace(told, learning=told.learning // shards)


def _description(recipe: Recipe, parts: Mapping[str, nn.Module], activations: int, pictures: int) -> Description:
    groups = {}
    for name, part in parts.items():
        counts = [sum(p.numel() for p in part.parameters() if p.requires_grad is learns) for learns in (True, False)]
        groups[name] = (counts[0], counts[1])
    weights = sum(p.numel() * p.itemsize for part in parts.values() for p in part.parameters())
    return _told(recipe, groups, weights, activations, pictures)


def _told(
    recipe: Recipe, groups: Mapping[str, tuple[int, int]], weights: int, activations: int | None, pictures: int
) -> Description:
    trained = sum(count for count, _ in groups.values())
    copies = 3 + bool(recipe.ema or not isinstance(recipe, Ivm7bRecipe))
    return Description(
        model=model_of(recipe),
        parts=groups,
        weights=weights,
        learning=4 * trained * copies,
        activations=activations,
        steps=recipe.first_steps + recipe.steps,
        pictures=pictures * recipe.processes * recipe.nodes * recipe.accumulate,
    )


def _activations(module: NanoModule, batch: dict[str, Any]) -> int:
    """Bytes that a forward pass keeps for the backward one, in single precision; what is kept twice counts once."""
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        total = module.losses(batch)["total"]
    del total
    return sum(kept.values())


def _size(count: int) -> str:
    return f"{count / _GIB:.2f} GiB" if count >= _GIB // 10 else f"{count / 2**20:.1f} MiB"
