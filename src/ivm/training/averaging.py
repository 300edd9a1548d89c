"""A moving average of the trained weights alone, for models of which most is frozen."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

KEY = "average"
"""Where the average stands in a checkpoint, by the names of the parameters."""


class TrainedAverage(pl.Callback):
    """Keeps an exponential moving average; Lightning's would hold a second copy of the frozen weights too.

    Args:
        decay: share of the average that a step leaves.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin with the weights as they are, or go on."""
        self._step = trainer.global_step
        now = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
        self.average = {name: self.average.get(name, value).clone().to(value.device) for name, value in now.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the weights after each step of the optimiser."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        for name, parameter in module.named_parameters():
            if name in self.average:
                self.average[name].lerp_(parameter.detach(), 1 - self.decay)

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the average beside the weights."""
        checkpoint[KEY] = self.average

    def on_load_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with a saved average."""
        self.average = dict(checkpoint.get(KEY, {}))
