"""How the learning rates go over a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lightning.pytorch as pl
from torch.optim.lr_scheduler import LambdaLR

from ivm.training.settings import RunSettings

Factor = Callable[[int], float]
"""From a step to what the rate is multiplied by."""


def factors(recipe: RunSettings) -> tuple[Factor, Factor]:
    """Return the factors of the model's and of the discriminator's rate.

    A rate rises linearly, stays, and falls to zero over the last part. A discriminator that learns first has the run's
    first steps to itself.
    """
    first = recipe.first_steps

    def model(step: int) -> float:
        return _factor(step - first, recipe.steps, recipe) if step >= first else 0.0

    def judge(step: int) -> float:
        return _factor(step, first or recipe.steps, recipe)

    return model, judge


def _factor(step: int, steps: int, recipe: RunSettings) -> float:
    fall = steps * recipe.decay
    return min(1.0, (step + 1) / recipe.warmup, max(steps - step, 0) / max(fall, 1))


def take_rates(trainer: pl.Trainer, rates: Sequence[float]) -> None:
    """Let a run that goes on from a checkpoint have the rates of its own recipe, from its first step on.

    Args:
        trainer: about to train.
        rates: peak rate of each group of parameters.
    """
    for config in trainer.lr_scheduler_configs:
        scheduler = config.scheduler
        assert isinstance(scheduler, LambdaLR), "as both modules make it"
        scheduler.base_lrs = list(rates[: len(scheduler.base_lrs)])
        groups = scheduler.optimizer.param_groups
        for group, rate, factor in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
            group["lr"] = rate * factor(scheduler.last_epoch)
