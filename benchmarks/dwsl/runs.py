"""One run of the experiment: train under a weighting, ask about held-out pictures, look at the weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ivm.core.files import write_files
from ivm.core.model import Heatmap
from ivm.data.augment import Augment
from ivm.data.record import Record
from ivm.data.shards import Shard
from ivm.masking.overlap import mask_iou
from ivm.training.nano import NanoModule
from ivm.training.nano_data import from_samples
from ivm.training.recipe import NanoRecipe, read_recipe
from ivm.training.run import train
from ivm.training.weighting import Labels

RECIPE = Path(__file__).parents[2] / "recipes" / "dwsl.yaml"
FIRST = 400
"""Steps of the discriminator alone, where it comes first."""

_JUDGE = {"agreement": True, "judging": "positive-unlabelled", "prior": 0.3}
ARMS: dict[str, dict[str, Any]] = {
    "uniform": {},
    "human-only": {"sources": ("human",)},
    "filtered": {"weighting": {"kind": "filtered"}, "discriminator": {"first_steps": FIRST, "agreement": False}},
    "dwsl, two stages": {"weighting": {"kind": "dwsl"}, "discriminator": {"first_steps": FIRST, "agreement": False}},
    "dwsl, joint": {"weighting": {"kind": "dwsl"}, "discriminator": {"agreement": False}},
    "dwsl, joint, agreement": {"weighting": {"kind": "dwsl"}, "discriminator": {"agreement": True}},
    "dwsl, joint, agreement, PU": {"weighting": {"kind": "dwsl"}, "discriminator": _JUDGE},
    "dwsl, the same, no floor": {"weighting": {"kind": "dwsl", "low": 0.0, "high": 1.0}, "discriminator": _JUDGE},
}
"""Name of each way to weigh, and what it changes in the recipe."""

_BATCH = 50


def recipe_of(arm: str, seed: int, data: Path, steps: int | None = None) -> NanoRecipe:
    """Return the recipe of a run."""
    changes = dict(ARMS[arm])
    names = changes.pop("sources", ("human", "machine"))
    weights = {"human": 1, "machine": 5}
    sources = [{"shards": str((data / name).absolute()), "weight": weights[name]} for name in names]
    changes |= {"seed": seed, "records.sources": sources} | ({"steps": steps} if steps else {})
    recipe = read_recipe(RECIPE, changes)
    assert isinstance(recipe, NanoRecipe)
    return recipe


def run(arm: str, seed: int, folder: Path, steps: int | None = None) -> dict[str, Any]:
    """Return what a run found; one that is done is read, one that was interrupted goes on.

    Returns:
        `iou`, one a test label; and `weights`, of each machine label by name, or None without a discriminator.
    """
    data, place = folder / "data", folder / f"{arm.replace(', ', '-').replace(' ', '-')}-{seed}"
    if (place / "found.json").is_file():
        return dict(json.loads((place / "found.json").read_bytes()))
    recipe = recipe_of(arm, seed, data, steps)
    train(recipe, place, progress=False)
    module = loaded(recipe, place / "last.ckpt")
    found = {
        "iou": [
            mask_iou(heatmap > 0, record.mask > 127)
            for record, heatmap in zip(read(data / "test"), answers(module, read(data / "test")), strict=True)
        ],
        "weights": None if module.discriminator is None else label_weights(module, read(data / "machine")),
    }
    write_files([(place / "found.json", json.dumps(found).encode())])
    return found


def read(folder: Path) -> list[Record]:
    """All records of a folder's shard."""
    with Shard(folder / "labels.tar") as shard:
        return [shard[i] for i in range(len(shard))]


def loaded(recipe: NanoRecipe, path: Path) -> NanoModule:
    """Return a trained module with the averaged weights, in evaluation mode."""
    checkpoint = torch.load(path, weights_only=True)
    module = NanoModule(recipe)
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"])
    return module.eval()


def batches(records: Sequence[Record]) -> Iterator[dict[str, torch.Tensor]]:
    """Records as they are, not augmented, in batches of training."""
    rng = np.random.default_rng(0)
    height, width = records[0].image.shape[:2]
    plain = Augment(size=(width, height), scale=(1, 1), ratio=(width / height, width / height))
    for start in range(0, len(records), _BATCH):
        yield from_samples([plain(record, rng) for record in records[start : start + _BATCH]])


def answers(module: NanoModule, records: Sequence[Record]) -> list[Heatmap]:
    """Logits (H, W) for each record."""
    found: list[Heatmap] = []
    for batch in batches(records):
        image = batch["image"].permute(0, 3, 1, 2).float()
        with torch.no_grad():
            logits = module.network(image, batch["tokens"], batch["picture"])[0]
        found += list(torch.nn.functional.interpolate(logits[:, None], image.shape[2:], mode="bilinear")[:, 0].numpy())
    return found


def label_weights(module: NanoModule, records: Sequence[Record]) -> dict[str, float]:
    """The weight of each label by name."""
    weights: list[float] = []
    for batch in batches(records):
        labels = Labels(batch["human"], batch["given"], module.verdicts(batch))
        weights += module.weighting.weights(labels).tolist()
    return {record.uuid: weight for record, weight in zip(records, weights, strict=True)}
