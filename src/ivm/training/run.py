"""Run a recipe: set up Lightning, train, keep checkpoints, resume."""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import os
import platform
import signal
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger

from ivm.core.errors import IvmError, TrainingError
from ivm.core.files import output_error
from ivm.models.nano.export import load_network
from ivm.training.nano import NanoModule
from ivm.training.recipe import NanoRecipe

_EXPECTED = (
    ".*does not have many workers.*",
    "Checkpoint directory .* exists and is not empty",
    "Experiment logs directory .* exists and is not empty",
    "The dirpath has changed",
    "Be aware that when using `ckpt_path`, callbacks",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
"""Warnings that are no news: one process renders and trains; a run goes on in its own folder, which may have been
moved, with another `save_every`; PyTorch moves on."""


class _StopOnNan(pl.Callback):
    """End a run whose loss is no longer a number, before a step with it spoils the weights."""

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the gradient: it is the mean over all processes, so that all of them stop at the same step.

        Raises:
            TrainingError: it is not finite.
        """
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        if not torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            raise TrainingError(
                f"The loss or its gradient is not a finite number at step {trainer.global_step}: lower learning_rate "
                "or the loss_weights, and run the same command again to go on from the last checkpoint, which is good"
            )


def _keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory: else every step maps and clears the same gigabyte anew, 10 % of the time."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_mmap_threshold, m_trim_threshold = -3, -1
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, (1 << 31) - 1)


def train(recipe: NanoRecipe, output: str | Path, *, progress: bool = True) -> Path:
    """Train an `ivm-nano`; a run that was interrupted in `output` goes on where its last checkpoint stands.

    Args:
        recipe: everything that decides the run.
        output: folder for `last.ckpt` (with the averaged weights) and `metrics.csv`.
        progress: show a progress bar.

    Returns:
        Path of the last checkpoint.

    Raises:
        TrainingError: the loss is no longer a number, or `output` holds the run of another network.
        CheckpointError: `last.ckpt` in `output` or the recipe's `start` is damaged.
        OutputError: the folder cannot be written; DiskFullError where no space is left.
        KeyboardInterrupt: Ctrl-C; the last checkpoint is whole.
        MissingExtraError: a package of the extra "train" is not installed.
    """
    output = Path(output)
    last = output / "last.ckpt"
    _check_output(recipe, output, last)
    torch.set_num_threads(1)
    _keep_freed_memory()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    pl.seed_everything(recipe.seed, verbose=False)
    trainer = _trainer(recipe, output, progress=progress)
    module = NanoModule(recipe)
    if recipe.start is not None and not last.exists():
        _start_from(module, recipe.start)
    try:
        with warnings.catch_warnings():
            for message in _EXPECTED:
                warnings.filterwarnings("ignore", message=message)
            trainer.fit(module, ckpt_path=str(last) if last.exists() else None, weights_only=True)
            trainer.save_checkpoint(last)
    except BaseException as error:
        _end_other_processes(trainer)
        if isinstance(error, SystemExit) and error.code == 1 and trainer.interrupted:
            raise KeyboardInterrupt from None  # Lightning makes an exit of it
        if isinstance(error, OSError) and not isinstance(error, IvmError):
            raise output_error(output, error) from error
        raise
    return last


def _check_output(recipe: NanoRecipe, output: Path, last: Path) -> None:
    """Find out before training whether the folder can be written, and whether a run in it is of the same network."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(output, error) from None
    if last.exists():
        kept = dataclasses.replace(load_network(last).config, kinds=1, colors=1)
        if kept != recipe.sizes():
            raise TrainingError(f"{last} holds a network of other sizes than the recipe's: choose another folder")


def _start_from(module: NanoModule, path: str) -> None:
    """Give a new network the weights of an older one of the same sizes."""
    older = load_network(path)
    if older.config != module.network.config:
        raise TrainingError(
            f"{path} holds a network of other sizes or classes than the recipe's: train without `start`"
        )
    module.network.load_state_dict(older.state_dict())


def _trainer(recipe: NanoRecipe, output: Path, *, progress: bool) -> pl.Trainer:
    checkpoints = ModelCheckpoint(
        output,
        save_last=True,
        save_top_k=0,
        every_n_train_steps=recipe.save_every,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    callbacks: list[pl.Callback] = [EMAWeightAveraging(decay=recipe.ema), checkpoints, _StopOnNan()]
    if progress:
        callbacks.append(RichProgressBar())
    return pl.Trainer(
        accelerator="cpu",
        devices=recipe.processes,
        strategy="ddp" if recipe.processes > 1 else "auto",
        precision=recipe.precision,
        max_steps=recipe.steps,
        max_epochs=-1,
        gradient_clip_val=recipe.clip,
        logger=CSVLogger(output, name="", version=""),
        log_every_n_steps=20,
        callbacks=callbacks,
        enable_progress_bar=progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _end_other_processes(trainer: pl.Trainer) -> None:
    """End the processes that this one started; they wait for it, and hold nothing that is not in a checkpoint."""
    launcher = trainer.strategy.launcher
    if launcher is not None:
        launcher.kill(signal.SIGKILL)
