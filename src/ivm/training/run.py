"""Run a recipe: train, keep checkpoints, resume."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import platform
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
import torch.distributed as dist

from ivm.core.errors import IvmError
from ivm.core.files import output_error
from ivm.training.processes import Others
from ivm.training.recipe import Recipe, model_of
from ivm.training.setup import LAST, make_module, make_trainer
from ivm.training.stopping import Signals, interruption

_EXPECTED = (
    ".*does not have many workers.*",
    "Checkpoint directory .* exists and is not empty",
    "Experiment logs directory .* exists and is not empty",
    "The dirpath has changed",
    "Be aware that when using `ckpt_path`, callbacks",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    "GPU available but not used",
    "None of the inputs have requires_grad=True",
)
"""Warnings that are no news: one process renders and trains; a run goes on in its own folder, which may have been
moved, with another `save_every`; PyTorch moves on; the frozen picture is the input of a checkpointed layer."""


def _keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory: else every step maps and clears the same gigabyte anew, 10 % of the time."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_mmap_threshold, m_trim_threshold = -3, -1
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, (1 << 31) - 1)


def train(recipe: Recipe, output: str | Path, *, progress: bool = True) -> Path:
    """Train a model; a run that was interrupted in `output` goes on where its last checkpoint stands.

    Args:
        recipe: everything that decides the run.
        output: folder for `last.ckpt`, `metrics.csv` and TensorBoard's files.
        progress: show a progress bar.

    Returns:
        Path of the last checkpoint.

    Raises:
        TrainingError: the loss is no longer a number, or `output` holds the run of another network.
        CheckpointError: `last.ckpt` in `output` or the recipe's `start` is damaged.
        ShardError: the recipe's records are not there or damaged; RecordError where one is broken.
        OutputError: the folder cannot be written; DiskFullError where no space is left.
        DeviceError: the recipe wants a GPU and there is none.
        KeyboardInterrupt: Ctrl-C, after the step in work, whose state is saved; a second one ends at once, and the last
            checkpoint is whole.
        SystemExit: the same after SIGTERM, with status 143.
        MissingExtraError: a package of the extra "train" is not installed.
    """
    output = Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(output, error) from None
    if recipe.accelerator == "cpu":
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"
    _keep_freed_memory()
    pl.seed_everything(recipe.seed, verbose=False)
    told = {"model": model_of(recipe), "recipe": dataclasses.asdict(recipe), "output": str(output)}
    others = Others(told, recipe.processes)
    with Signals(at_once=others.end) as signals, others.together():
        try:
            _fit(recipe, output, signals, progress=progress)
        except BaseException as error:
            if signals.again:
                raise interruption(signals.received) from None  # whatever it broke
            if isinstance(error, OSError) and not isinstance(error, IvmError):
                raise output_error(output, error) from error
            if isinstance(error, RuntimeError) and signals.received:
                raise interruption(signals.received) from None  # another process or a worker has heard it first
            if isinstance(error, RuntimeError) and (failed := others.failed(patience=5)):
                raise failed from error
            raise
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
        if signals.received:
            raise interruption(signals.received)
    return output / LAST


def _fit(recipe: Recipe, output: Path, signals: Signals, *, progress: bool) -> None:
    last = output / LAST
    module = make_module(recipe, output)
    trainer = make_trainer(recipe, output, signals, progress=progress)
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(module, ckpt_path=str(last) if last.exists() else None, weights_only=True)
        except SystemExit as error:
            if error.code == 1 and trainer.interrupted:
                raise KeyboardInterrupt from None  # Lightning makes an exit of it
            raise
        trainer.save_checkpoint(last)
