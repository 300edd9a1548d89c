"""Training of `ivm-nano` as a Lightning module on the synthetic tabletop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from ivm.data.tabletop.stream import COLOR_CLASSES, KIND_CLASSES, MASK_ONE, UNKNOWN, Batch, TabletopStream
from ivm.models.nano.network import NanoNetwork
from ivm.training.losses import mask_losses
from ivm.training.recipe import NanoRecipe

BACKGROUND_WEIGHT = 0.1
"""Weight of a background pixel in the auxiliary maps, against 1 for a pixel of a thing."""


class _Stream(IterableDataset[dict[str, Tensor]]):
    """A `TabletopStream` as torch tensors, from the batch after the last one trained on."""

    def __init__(self, stream: TabletopStream, start: int) -> None:
        self.stream, self.start = stream, start

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for batch in self.stream.batches(self.start):
            yield as_tensors(batch)


def as_tensors(batch: Batch) -> dict[str, Tensor]:
    """Turn a batch into tensors by name, without copying."""
    return {name: torch.from_numpy(array) for name, array in batch._asdict().items()}


class NanoModule(pl.LightningModule):
    """Loss, optimiser and data of an `ivm-nano` training run.

    Args:
        recipe: everything that decides the run.
    """

    def __init__(self, recipe: NanoRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        sizes = recipe.sizes(kinds=len(KIND_CLASSES) + 1, colors=len(COLOR_CLASSES) + 1)
        self.network = NanoNetwork(sizes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.save_hyperparameters({"network": recipe.network})

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the stream of this process, continued where a resumed run stopped."""
        stream = _Stream(self.recipe.stream(self.trainer.global_rank, self.trainer.world_size), self.global_step)
        if not self.recipe.render_ahead:
            return DataLoader(stream, batch_size=None)
        return DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=self.recipe.render_ahead)

    def on_train_start(self) -> None:
        """Take the learning rate of this recipe, where the run goes on from a checkpoint of another."""
        for scheduler in self.trainer.lr_scheduler_configs:
            scheduler.scheduler.base_lrs = [self.recipe.learning_rate] * len(scheduler.scheduler.base_lrs)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean loss terms of a batch by name, each a scalar; "total" is their weighted sum."""
        image = batch["image"].permute(0, 3, 1, 2).float()
        logits, presence, features = self.network(image, batch["tokens"], batch["picture"])
        undecided = batch["mask"] == UNKNOWN
        target = batch["mask"].float().masked_fill(undecided, 0) / MASK_ONE
        cross_entropy, dice = mask_losses(logits, target, (~undecided).float())
        terms = {
            "bce": cross_entropy.mean(),
            "dice": (dice * batch["present"]).sum() / batch["present"].sum().clamp(min=1),
            "presence": F.binary_cross_entropy_with_logits(presence, batch["present"]),
        }
        for name in ("kinds", "colors"):
            shown = getattr(features, name).float()
            # Four fifths of a picture are background: unweighted, what things are would hardly count.
            odds = torch.ones(shown.shape[1], device=self.device)
            odds[0] = BACKGROUND_WEIGHT
            terms[name] = F.cross_entropy(shown, batch[name].long(), odds, ignore_index=UNKNOWN)
        weights = self.recipe.loss_weights
        terms["total"] = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        return terms

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """Return the loss of one batch and log its terms."""
        terms = self.losses(batch)
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()}, prog_bar=True)
        return terms["total"]

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises, stays, and falls to zero over the last part, so that a run may be cut short."""
        recipe = self.recipe
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))

        def factor(step: int) -> float:
            fall = recipe.steps * recipe.decay
            return min(1.0, (step + 1) / recipe.warmup, max(recipe.steps - step, 0) / max(fall, 1))

        return [optimizer], [{"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, factor), "interval": "step"}]
