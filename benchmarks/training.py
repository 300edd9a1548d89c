"""Training throughput: `ivm train` with all that it keeps and writes, against a bare loop over the same tensors.

Both do the same steps on the same batches, made before the clock starts: forward, loss, backward, clipping and AdamW.
`ivm train` also logs, averages weights, looks for signals and at the gradient, and schedules the rate.

    python -m benchmarks.training --steps 60
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch.utils.data import DataLoader

from ivm.training.nano import NanoModule
from ivm.training.nano_data import NanoBatches
from ivm.training.recipe import NanoRecipe
from ivm.training.setup import make_trainer
from ivm.training.stopping import Signals

Tensors = dict[str, Any]

RECIPE = NanoRecipe(
    processes=1,
    save_every=10**9,
    pictures_every=0,
    data={"pictures": 4, "fresh": 4, "sizes": [[192, 160]], "scene_size": [192, 160]},
)


class _Made(NanoModule):
    """The module, over batches that are there already."""

    def __init__(self, recipe: NanoRecipe, batches: list[Tensors]) -> None:
        super().__init__(recipe)
        self.batches = batches
        self.ends: list[float] = []

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_Cycle(self.batches), batch_size=None)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.ends.append(time.perf_counter())


class _Cycle(torch.utils.data.IterableDataset[Any]):
    def __init__(self, batches: list[Tensors]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Tensors]:
        return (dict(batch) for batch in itertools.cycle(self.batches))


def bare(recipe: NanoRecipe, batches: list[Tensors], steps: int) -> list[float]:
    """Seconds of each step of a loop with nothing but the learning."""
    seed_everything(recipe.seed, verbose=False)
    module = NanoModule(recipe).train()
    [optimizer], _ = module.configure_optimizers()
    ends = []
    for batch in itertools.islice(itertools.cycle(batches), steps):
        optimizer.zero_grad()
        module.losses(batch)["total"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(module.parameters(), recipe.clip)
        optimizer.step()
        ends.append(time.perf_counter())
    return [end - start for start, end in itertools.pairwise(ends)]


def trained(recipe: NanoRecipe, batches: list[Tensors]) -> list[float]:
    """Seconds of each step of `ivm train`."""
    seed_everything(recipe.seed, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        module = _Made(recipe, batches)
        make_trainer(recipe, Path(folder), Signals(), progress=False).fit(module)
    return [end - start for start, end in itertools.pairwise(module.ends)]


def main() -> None:
    """Measure both in turns, so that what else the machine does falls on both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30, help="steps a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = dataclasses.replace(RECIPE, steps=options.steps)
    batches = list(itertools.islice(iter(NanoBatches(recipe)), 8))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(options.rounds):
        theirs += bare(recipe, batches, options.steps)
        ours += trained(recipe, batches)
    loop, run = median(theirs), median(ours)
    print(f"bare loop {1 / loop:.2f} steps/s, ivm train {1 / run:.2f} steps/s: {loop / run:.2f} of the bare loop")


if __name__ == "__main__":
    main()
