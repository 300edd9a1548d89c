"""From a recipe to a Lightning trainer and module."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.distributed.tensor import DTensor

from ivm.core.errors import DeviceError, TrainingError
from ivm.core.extras import require
from ivm.models.nano.encoder import load_trunk
from ivm.models.nano.weights import load_network
from ivm.models.pickled import unpacked
from ivm.training.averaging import TrainedAverage
from ivm.training.checkpoints import WholeCheckpoints
from ivm.training.examples import ExamplePictures
from ivm.training.ivm7b_recipe import PACKAGES, Ivm7bRecipe
from ivm.training.nano import NanoModule
from ivm.training.norms import SharedNorms
from ivm.training.recipe import NanoRecipe, Recipe
from ivm.training.stopping import Signals, StopBetweenSteps

LAST = "last.ckpt"
"""The last checkpoint of a run, in its folder."""


class StopOnNan(pl.Callback):
    """End a run whose loss is no longer a number, before a step with it spoils the weights."""

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the gradient in all processes, so that all of them stop at the same step.

        Raises:
            TrainingError: it is not finite.
        """
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if isinstance(norm, DTensor):  # of a model in shards
            norm = norm.full_tensor()
        broken = (~torch.isfinite(norm)).float()
        if trainer.world_size > 1:
            broken = trainer.strategy.reduce(broken, reduce_op="sum")
        if broken:
            raise TrainingError(
                f"The loss or its gradient is not a finite number at step {trainer.global_step}: lower learning_rate "
                "or the loss_weights, and run the same command again to go on from the last checkpoint, which is good"
            )


def make_module(recipe: Recipe, output: Path) -> pl.LightningModule:
    """Return what is trained, with the weights with which a run in `output` begins.

    Raises:
        CheckpointError: the weights to start from are damaged or do not go together.
        TrainingError: they are of another network, or `output` holds the run of one.
    """
    last = output / LAST
    if isinstance(recipe, Ivm7bRecipe):
        require(*PACKAGES, extra="full")
        from ivm.training.ivm7b import Ivm7bModule
        from ivm.training.ivm7b_start import open_start

        large = Ivm7bModule(recipe, open_start(recipe, output))
        if last.exists():
            large.check_continues(unpacked(last))
        return large
    if last.exists():
        kept = dataclasses.replace(load_network(last).config, kinds=1, colors=1)
        if kept != recipe.sizes():
            raise TrainingError(f"{last} holds a network of other sizes than the recipe's: choose another folder")
    module = NanoModule(recipe)
    if recipe.start is not None and not last.exists():
        _start_from(module, recipe.start)
    if recipe.trunk is not None and not last.exists():
        load_trunk(module.network.encoder.trunk, recipe.trunk)
    return module


def _start_from(module: NanoModule, path: str) -> None:
    """Give a new network the weights of an older one of the same sizes."""
    older = load_network(path)
    if older.config != module.network.config:
        raise TrainingError(
            f"{path} holds a network of other sizes or classes than the recipe's: train without `start`"
        )
    module.network.load_state_dict(older.state_dict())


def make_trainer(recipe: Recipe, output: Path, signals: Signals, *, progress: bool) -> pl.Trainer:
    """Return the trainer of a run in `output`.

    Raises:
        DeviceError: the recipe wants a GPU and there is none.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if recipe.accelerator == "gpu" and not torch.cuda.is_available():
        raise DeviceError("The recipe's accelerator is gpu, and PyTorch finds none here: set accelerator=cpu")
    return pl.Trainer(
        accelerator=recipe.accelerator,
        devices=recipe.processes,
        num_nodes=recipe.nodes,
        strategy=_strategy(recipe),
        precision=recipe.precision,
        max_steps=recipe.first_steps + recipe.steps,
        max_epochs=-1,
        accumulate_grad_batches=recipe.accumulate,
        gradient_clip_val=recipe.clip or None,
        logger=[CSVLogger(output, name="", version=""), _board(output)],
        log_every_n_steps=20,
        callbacks=_callbacks(recipe, output, signals, progress=progress),
        plugins=[WholeCheckpoints(), *([SharedNorms()] if isinstance(recipe, NanoRecipe) else [])],
        enable_progress_bar=progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _board(output: Path) -> TensorBoardLogger:
    return TensorBoardLogger(output, name="tensorboard", version="", default_hp_metric=False)


def _strategy(recipe: Recipe) -> Any:
    if recipe.strategy == "fsdp":
        from lightning.pytorch.strategies import ModelParallelStrategy

        return ModelParallelStrategy(recipe.processes * recipe.nodes, 1, save_distributed_checkpoint=False)
    if recipe.processes * recipe.nodes == 1 and recipe.strategy == "auto":
        return "auto"
    # In the first of two stages the model, in the second the discriminator has no gradient.
    return "ddp_find_unused_parameters_true" if recipe.first_steps else "ddp"


def _callbacks(recipe: Recipe, output: Path, signals: Signals, *, progress: bool) -> list[pl.Callback]:
    callbacks: list[pl.Callback] = []
    if isinstance(recipe, NanoRecipe):
        callbacks.append(EMAWeightAveraging(decay=recipe.ema))
    elif recipe.ema:
        callbacks.append(TrainedAverage(recipe.ema))
    callbacks += [
        ModelCheckpoint(
            output,
            save_last=True,
            save_top_k=0,
            every_n_train_steps=recipe.save_every,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        ),
        StopOnNan(),
        ExamplePictures(recipe.pictures_every),
        StopBetweenSteps(signals, output / LAST),  # after the average has taken in the step
    ]
    if progress:
        callbacks.append(RichProgressBar())
    return callbacks
