"""Training of `ivm-nano` as a Lightning module."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ivm.core.errors import TrainingError
from ivm.data.tabletop.stream import COLOR_CLASSES, KIND_CLASSES, MASK_ONE, UNKNOWN
from ivm.models.nano.network import NanoNetwork
from ivm.training.checkpoints import check_continues
from ivm.training.discriminator import Claim, MaskDiscriminator, agreement
from ivm.training.examples import Examples
from ivm.training.judge import SHOWN, shown
from ivm.training.losses import discriminator_loss, mask_losses, mean_over_processes, nonzero, weighted_mean
from ivm.training.nano_data import PLACE, NanoBatches
from ivm.training.places import Places
from ivm.training.recipe import NanoRecipe
from ivm.training.schedule import factors, take_rates
from ivm.training.stopping import ignore_signals
from ivm.training.weighting import Labels

BACKGROUND_WEIGHT = 0.1
"""Weight of a background pixel in the auxiliary maps, against 1 for a pixel of a thing."""

_STATES = ("state_dict", "current_model_state")
"""Where a checkpoint holds the averaged weights, and those that are trained on."""


class NanoModule(pl.LightningModule):
    """Loss, optimiser and data of an `ivm-nano` training run.

    Args:
        recipe: everything that decides the run.
    """

    def __init__(self, recipe: NanoRecipe) -> None:
        super().__init__()
        self.recipe, self.judge, self.weighting = recipe, recipe.judge(), recipe.make_weighting()
        sizes = recipe.sizes(kinds=len(KIND_CLASSES) + 1, colors=len(COLOR_CLASSES) + 1)
        self.network = NanoNetwork(sizes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in self.network.encoder.trunk.first(recipe.frozen):
            part.requires_grad_(False)
        self.discriminator = MaskDiscriminator(self.judge.width) if self.weighting.judged else None
        self.places = Places()
        self.save_hyperparameters({"network": recipe.network})

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the batches of this process, continued where a resumed run stopped."""
        trainer = self.trainer
        batches = NanoBatches(
            self.recipe,
            rank=trainer.global_rank,
            world=trainer.world_size,
            start=self.global_step * trainer.accumulate_grad_batches,
            place=self.places.of(trainer.global_rank, trainer.world_size),
        )
        if not self.recipe.render_ahead:
            return DataLoader(batches, batch_size=None)
        return DataLoader(
            batches,
            batch_size=None,
            num_workers=1,
            prefetch_factor=self.recipe.render_ahead,
            worker_init_fn=ignore_signals,
        )

    def on_train_start(self) -> None:
        """Take the learning rates of this recipe, where the run goes on from a checkpoint of another."""
        take_rates(self.trainer, self._rates())

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean loss terms of a batch by name, each a scalar; "total" is their weighted sum."""
        logits, presence, features = self.network(_pixels(batch), batch["tokens"], batch["picture"])
        target, decided = _wanted(batch["mask"])
        cross_entropy, dice = mask_losses(logits, target, decided.float())
        verdict = None
        if self.discriminator is not None:
            verdict = self._verdict(batch, target, logits if self.judge.agreement else None)
        weights = self.weighting.weights(Labels(batch["human"], batch["given"], verdict))
        present = batch["present"]
        terms = {
            "bce": weighted_mean(cross_entropy, weights),
            "dice": weighted_mean(dice, weights, present),
            "presence": weighted_mean(F.binary_cross_entropy_with_logits(presence, present, reduction="none"), weights),
        }
        for name in ("kinds", "colors"):
            terms[name] = _map_loss(getattr(features, name).float(), batch[name].long())
        weights_of = self.recipe.loss_weights
        total = torch.stack([weights_of[name] * value for name, value in terms.items()]).sum()
        if verdict is not None:
            terms["weight"] = weights.mean()  # to look at
            if not self.judge.first_steps:
                terms["discriminator"] = self._judging(verdict, batch["human"])
                total = total + terms["discriminator"]
        return terms | {"total": total}

    def judging(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of the discriminator alone, in the first of two stages."""
        target, _ = _wanted(batch["mask"])
        loss = self._judging(self._verdict(batch, target, None, learning=True), batch["human"])
        return {"discriminator": loss, "total": loss}

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """Return the loss of one batch and log its terms."""
        self.places.last = batch.pop(PLACE, None)
        first = self.global_step < self.recipe.first_steps
        terms = self.judging(batch) if first else self.losses(batch)
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()}, prog_bar=True)
        return terms["total"]

    def examples(self, batch: dict[str, Tensor], count: int) -> Examples:
        """Answer the first questions of a batch; see `examples.Shows`."""
        picture, image = batch["picture"][:count], _pixels(batch)
        logits = self.network(image, batch["tokens"][:count], picture)[0]
        target, _ = _wanted(batch["mask"][:count])
        return Examples(image[picture], target, logits.sigmoid())

    def verdicts(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the discriminator's logits (N,) for the labels of a batch, in evaluation mode.

        Raises:
            TrainingError: this weighting asks for no discriminator.
        """
        target, _ = _wanted(batch["mask"])
        with torch.no_grad():
            logits = None
            if self.judge.agreement:
                logits = self.network(_pixels(batch), batch["tokens"], batch["picture"])[0]
            return self._verdict(batch, target, logits)

    def _verdict(
        self, batch: dict[str, Tensor], target: Tensor, logits: Tensor | None, *, learning: bool = False
    ) -> Tensor:
        if self.discriminator is None:
            raise TrainingError("The recipe's weighting asks for no discriminator: use dwsl or filtered")
        agreed = torch.full_like(target, 0.5) if logits is None else agreement(logits, target)
        image = _pixels(batch)[batch["picture"]]
        with torch.set_grad_enabled(torch.is_grad_enabled() and (learning or not self.judge.first_steps)):
            verdict: Tensor = self.discriminator(Claim(image, batch["tokens"], target, agreed))
        return verdict.float()

    def _judging(self, verdict: Tensor, human: Tensor) -> Tensor:
        return discriminator_loss(verdict, human, judging=self.judge.judging, prior=self.judge.prior)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the discriminator apart, so that `state_dict` is the network's, and each process's place in the data."""
        apart: dict[str, dict[str, Tensor]] = {}
        for key in _STATES:
            for name in [name for name in checkpoint.get(key, ()) if name.startswith("discriminator.")]:
                apart.setdefault(key, {})[name] = checkpoint[key].pop(name)
        if apart:
            checkpoint["discriminator"] = apart
            checkpoint[SHOWN] = shown(self.recipe.stream().sizes, agreement=self.judge.agreement)
        checkpoint["places"] = self.places.gathered()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put together again what `on_save_checkpoint` parted.

        Raises:
            TrainingError: the run was another, see `check_continues`.
        """
        for key, values in checkpoint.pop("discriminator", {}).items():
            checkpoint[key].update(values)
        check_continues(self.state_dict(), checkpoint["state_dict"])
        self.places = Places(checkpoint.get("places"))

    def _rates(self) -> list[float]:
        rate = self.recipe.learning_rate
        return [rate, rate, rate * self.recipe.trunk_rate, self.judge.learning_rate]

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises, stays, and falls to zero over the last part, so that a run may be cut short."""
        recipe = self.recipe
        trunk = [p for p in self.network.encoder.trunk.parameters() if p.requires_grad]
        apart = {id(p) for p in self.network.encoder.trunk.parameters()}
        own = [p for p in self.network.parameters() if id(p) not in apart]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in own if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0},
            {"params": trunk, "weight_decay": 0.0, "lr": recipe.learning_rate * recipe.trunk_rate},
        ]
        if self.discriminator is not None:
            groups.append(
                {
                    "params": list(self.discriminator.parameters()),
                    "weight_decay": recipe.weight_decay,
                    "lr": self.judge.learning_rate,
                }
            )
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
        model, judge = factors(recipe)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [model, model, model, judge][: len(groups)])
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def _pixels(batch: dict[str, Tensor]) -> Tensor:
    """The pictures as the networks take them: (B, 3, H, W) float of 0 to 255."""
    return batch["image"].permute(0, 3, 1, 2).float()


def _wanted(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of `Batch.mask` as float in [0, 1], 0 where it is undecided, and where it is decided, bool."""
    decided = mask != UNKNOWN
    return mask.float().masked_fill(~decided, 0) / MASK_ONE, decided


def _map_loss(shown: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of a map (B, K, h, w) against classes (B, h, w); 0 where none is known.

    Four fifths of a picture are background: unweighted, what things are would hardly count.
    """
    odds = torch.ones(shown.shape[1], device=shown.device)
    odds[0] = BACKGROUND_WEIGHT
    known = wanted != UNKNOWN
    total = F.cross_entropy(shown, wanted, odds, ignore_index=UNKNOWN, reduction="sum")
    weight = torch.where(known, odds[wanted.masked_fill(~known, 0)], 0.0).sum()
    return total / nonzero(mean_over_processes(weight))
