"""Example pictures in TensorBoard: what was asked about, the label, and what the model says now."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn import functional as F

SHOWN = 4
"""Samples of a batch that are drawn."""


class Examples(NamedTuple):
    """N samples as they are drawn; height and width of the three may differ."""

    image: Tensor
    """(N, 3, H, W) float in [0, 255]."""
    target: Tensor
    """(N, h, w) float in [0, 1]: the label."""
    probability: Tensor
    """(N, h, w) float in [0, 1]: the answer."""


@runtime_checkable
class Shows(Protocol):
    """A module that can answer the first questions of a batch."""

    def examples(self, batch: dict[str, Any], count: int) -> Examples:
        """Answer `count` questions at most, in evaluation mode and without a gradient."""
        ...


class ExamplePictures(pl.Callback):
    """Draw examples every so many steps; the training is as it would be without.

    Args:
        every: steps; 0 for never.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._last = -1

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw, in the first process."""
        step = trainer.global_step
        due = self.every and step % self.every == 0 and step != self._last
        if not due or not trainer.is_global_zero or not isinstance(module, Shows):
            return
        self._last = step
        board = next((one for one in trainer.loggers if isinstance(one, TensorBoardLogger)), None)
        if board is None:
            return
        module.eval()
        with torch.no_grad():
            pictures = drawn(module.examples(batch, SHOWN))
        module.train()
        board.experiment.add_image("examples", pictures, step)


def drawn(examples: Examples) -> Tensor:
    """Lay samples out below one another: picture, label, answer: (3, N H, 3 W) uint8."""
    image = examples.image / 255
    columns = [image]
    for shade in (examples.target, examples.probability):
        large = F.interpolate(shade[:, None].float(), image.shape[2:], mode="bilinear", align_corners=False)
        tint = torch.tensor([1.0, 0.0, 0.6], device=image.device)[:, None, None]
        columns.append(image * (1 - 0.7 * large) + tint * 0.7 * large)
    rows = torch.cat(columns, 3).permute(1, 0, 2, 3).flatten(1, 2)
    return (rows.clamp(0, 1) * 255).to(torch.uint8).cpu()
