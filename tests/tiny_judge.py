"""A discriminator that a short run really trains: people draw squares, the machine takes whole pictures."""

from __future__ import annotations

from pathlib import Path

import torch

from ivm.training.recipe import NanoRecipe
from ivm.training.run import train
from tiny_records import write_records
from tiny_run import TINY_RECIPE

STEPS = 60
"""Of the discriminator alone, the first of two stages."""


def judge_recipe(folder: Path) -> NanoRecipe:
    """A recipe of both stages, the second of one step, with its data sets in `folder`."""
    return NanoRecipe(
        **TINY_RECIPE | {"steps": 1, "pictures_every": 0},
        tabletop=False,
        weighting={"kind": "dwsl"},
        discriminator={"width": 8, "agreement": False, "first_steps": STEPS, "learning_rate": 3e-3},
        records=write_records(folder) | {"pictures": 8},
    )


def train_judge(folder: Path) -> Path:
    """Train it and return its checkpoint."""
    threads = torch.get_num_threads()
    try:
        return train(judge_recipe(folder), folder / "run", progress=False)
    finally:
        torch.set_num_threads(threads)
