"""Training of IVM-7B as a Lightning module: SAM and LLaVA are frozen; adapters, projector, decoder and judge learn."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ivm.models.ivm7b.network import TRAINED
from ivm.models.ivm7b.parts import Parts
from ivm.models.ivm7b.reading import Reader
from ivm.training import adapters
from ivm.training.checkpoints import check_continues
from ivm.training.discriminator import agreement
from ivm.training.examples import Examples
from ivm.training.export_ivm7b import ABOUT
from ivm.training.ivm7b_data import Ivm7bBatches
from ivm.training.ivm7b_network import Judge, clip_pixels, image_tokens, point, sam_features
from ivm.training.ivm7b_recipe import Ivm7bRecipe
from ivm.training.ivm7b_start import filled
from ivm.training.losses import discriminator_loss, mask_losses, weighted_mean
from ivm.training.places import Places
from ivm.training.sam_cache import FeatureCache
from ivm.training.schedule import factors, take_rates
from ivm.training.sharding import shard
from ivm.training.weighting import Labels

_NETWORK = "network."


class Ivm7bModule(pl.LightningModule):
    """Loss, optimiser and data of a training run of IVM-7B.

    Args:
        recipe: everything that decides the run.
        parts: the weights to begin with, from `ivm7b_start.open_start`.
    """

    def __init__(self, recipe: Ivm7bRecipe, parts: Parts) -> None:
        super().__init__()
        self.recipe, self.config = recipe, parts.config
        self.judge, self.weighting = recipe.judge(), recipe.make_weighting()
        self.network = filled(parts, recipe)
        self.reader = Reader.open(parts.processor, parts.network.llava.config.image_token_id)
        learning = [p for name, p in self.network.named_parameters() if TRAINED.match(name)]
        adapters.unfreeze(learning)
        adapters.set_dropout(self.network.llava, recipe.lora_dropout)
        self.discriminator = None
        if self.weighting.judged:
            assert self.config.lora is not None, "checked when the start was opened"
            adapters.add_judging(self.network.llava, self.config.lora, self.judge.lora_rank)
            judging = [p for name, p in self.network.named_parameters() if f".{adapters.JUDGING}." in name]
            adapters.unfreeze(learning + judging)
            self.discriminator = Judge(self.config.projector[0])
        if recipe.checkpointing:
            adapters.checkpoint_activations(self.network.llava)
        self.cache = None
        if recipe.sam_cache is not None:
            self.cache = FeatureCache(Path(recipe.sam_cache), self.network.image_encoder)
        self.places = Places()
        self.strict_loading = False  # a checkpoint holds only what is trained
        self.train()  # what is frozen has no dropout and no running means

    def configure_model(self) -> None:
        """Shard the model, where the recipe's strategy says so."""
        if self.recipe.strategy == "fsdp":
            assert self.device_mesh is not None, "Lightning makes it before it calls this"
            shard(self, self.network.llava, self.network.image_encoder, self.device_mesh["data_parallel"])

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the batches of this process, continued where a resumed run stopped."""
        trainer = self.trainer
        place = self.places.of(trainer.global_rank, trainer.world_size)
        side = self.config.sam["image_size"]
        batches = Ivm7bBatches(self.recipe, side, rank=trainer.global_rank, world=trainer.world_size, place=place)
        return DataLoader(batches, batch_size=None)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw the same dropout at the same batch, whether a run was interrupted before it or not."""
        number = self.global_step * self.trainer.accumulate_grad_batches
        number += batch_idx % self.trainer.accumulate_grad_batches
        torch.manual_seed((self.recipe.seed << 32) + number * self.trainer.world_size + self.trainer.global_rank)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the mean loss terms of a batch by name, each a scalar; "total" is what is minimised."""
        target = batch["mask"].float() / 255
        pixels = clip_pixels(self.reader, batch["image"])
        if self.global_step < self.recipe.first_steps:
            loss = self._judging(self._verdict(batch, target, pixels, None), batch["human"])
            return {"discriminator": loss, "total": loss}
        tokens = image_tokens(self.network, pixels)
        logits = point(self.network, self.reader, self._seen(batch["image"]), tokens, batch["instruction"])
        large = F.interpolate(logits[:, None], target.shape[1:], mode="bilinear", align_corners=False)[:, 0]
        cross_entropy, dice = mask_losses(large, target, torch.ones_like(target))
        verdict = None
        if self.discriminator is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.recipe.first_steps):
                verdict = self._verdict(batch, target, pixels, large)
        weights = self.weighting.weights(Labels(batch["human"], batch["given"], verdict))
        terms = {"bce": weighted_mean(cross_entropy, weights), "dice": weighted_mean(dice, weights)}
        total = terms["bce"] + terms["dice"]
        if verdict is not None:
            terms["weight"] = weights.mean()  # to look at
            if not self.recipe.first_steps:
                terms["discriminator"] = self._judging(verdict, batch["human"])
                total = total + terms["discriminator"]
        return terms | {"total": total}

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """Return the loss of one batch and log its terms."""
        self.places.last = batch.pop("place")
        terms = self.losses(batch)
        self.log_dict(
            {f"train/{name}": value.detach() for name, value in terms.items()},
            prog_bar=True,
            batch_size=len(batch["human"]),
        )
        return terms["total"]

    def examples(self, batch: dict[str, Any], count: int) -> Examples:
        """Answer the first questions of a batch; see `examples.Shows`."""
        image, instructions = batch["image"][:count], batch["instruction"][:count]
        tokens = image_tokens(self.network, clip_pixels(self.reader, image))
        logits = point(self.network, self.reader, self._seen(image), tokens, instructions)
        return Examples(image.permute(0, 3, 1, 2).float(), batch["mask"][:count].float() / 255, logits.sigmoid())

    def _seen(self, image: Tensor) -> Tensor:
        compute = partial(sam_features, self.network)
        return compute(image) if self.cache is None else self.cache.features(image, compute)

    def _verdict(self, batch: dict[str, Any], target: Tensor, pixels: Tensor, logits: Tensor | None) -> Tensor:
        assert self.discriminator is not None
        agreed = torch.full_like(target, 0.5)
        if logits is not None and self.judge.agreement:
            agreed = agreement(logits, target)
        verdict: Tensor = self.discriminator(self.network, self.reader, pixels, target, agreed, batch["instruction"])
        return verdict.float()

    def _judging(self, verdict: Tensor, human: Tensor) -> Tensor:
        return discriminator_loss(verdict, human, judging=self.judge.judging, prior=self.judge.prior)

    def trained(self) -> list[str]:
        """Names of all parameters that are trained."""
        return [name for name, parameter in self.named_parameters() if parameter.requires_grad]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep only what is trained, and each process's place in the data."""
        kept = set(self.trained()) | {f"{_NETWORK}decoder.position"}
        checkpoint["state_dict"] = {n: value for n, value in checkpoint["state_dict"].items() if n in kept}
        checkpoint["places"] = self.places.gathered()
        checkpoint[ABOUT] = {"heads": self.config.decoder.heads}

    def check_continues(self, checkpoint: dict[str, Any]) -> None:
        """Check, before anything is loaded, that a checkpoint holds what is trained here.

        Raises:
            TrainingError: its run was another: without this discriminator, or of other adapters.
        """
        kept = dict(checkpoint.get("state_dict", {}))
        kept.pop(f"{_NETWORK}decoder.position", None)
        check_continues({name: value for name, value in self.named_parameters() if value.requires_grad}, kept)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take each process's place in the data."""
        self.places = Places(checkpoint.get("places"))

    def on_train_start(self) -> None:
        """Take the learning rates of this recipe, where the run goes on from a checkpoint of another."""
        take_rates(self.trainer, [self.recipe.learning_rate, self.judge.learning_rate])

    def configure_optimizers(self) -> Any:
        """AdamW over what is trained; the rates as in `schedule`."""
        recipe = self.recipe
        named = {name: p for name, p in self.named_parameters() if p.requires_grad}
        judging = [
            p for name, p in named.items() if name.startswith("discriminator.") or f".{adapters.JUDGING}." in name
        ]
        known = {id(p) for p in judging}
        pointing = [p for p in named.values() if id(p) not in known]
        groups: list[dict[str, Any]] = [{"params": pointing, "lr": recipe.learning_rate}]
        if judging:
            groups.append({"params": judging, "lr": self.judge.learning_rate})
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        model, judge = factors(recipe)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [model, judge][: len(groups)])
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
