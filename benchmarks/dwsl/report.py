"""What the experiment found: tables, and a picture of labels with the weights that they got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from ivm.core.model import RGBImage
from ivm.data.record import Record
from ivm.evaluation.bootstrap import cluster_bootstrap

from ..fusion import spearman
from . import runs, spoil

Found = Mapping[str, Sequence[Mapping[str, Any]]]
"""Runs of each weighting, see `runs.run`."""

_SHOWN, _ZOOM = 8, 2


def print_tables(found: Found, truth: Mapping[str, Any], names: Sequence[str]) -> None:
    """Print held-out IoU, and how the weights of machine labels go with their quality.

    Args:
        found: runs.
        truth: fault and IoU of each machine label.
        names: of the test labels, `seed-scene-question`.
    """
    console = Console(width=120)
    scenes = [name.rpartition("-")[0] for name in names]
    table = Table("weighting", "IoU of each seed", "mean [95 %]", "minus uniform [95 %]", title="Held-out IoU")
    reference = _mean_over_seeds(found["uniform"]) if "uniform" in found else None
    for arm, results in found.items():
        mean = _mean_over_seeds(results)
        seeds = " ".join(f"{np.mean(result['iou']):.3f}" for result in results)
        gain = "" if reference is None else str(cluster_bootstrap(list(mean - reference), scenes))
        table.add_row(arm, seeds, str(cluster_bootstrap(list(mean), scenes)), gain)
    console.print(table)
    judged = {arm: results for arm, results in found.items() if results[0]["weights"]}
    faults = list(spoil.FAULTS)
    table = Table(
        "weighting", "rank correlation", *faults, title="Weights of machine labels: with IoU, and mean by fault"
    )
    for arm, results in judged.items():
        rho = [
            spearman(list(result["weights"].values()), [truth[n]["iou"] for n in result["weights"]])
            for result in results
        ]
        means = [
            np.mean([w for result in results for name, w in result["weights"].items() if truth[name]["fault"] == fault])
            for fault in faults
        ]
        table.add_row(arm, " ".join(f"{value:.2f}" for value in rho), *(f"{mean:.2f}" for mean in means))
    console.print(table)


def _mean_over_seeds(results: Sequence[Mapping[str, Any]]) -> Any:
    return np.mean([result["iou"] for result in results], axis=0)


def draw(found: Found, truth: Mapping[str, Any], folder: Path) -> Path | None:
    """Draw, for each fault, machine labels with the weights that the last weighting gave them; None without weights."""
    arms = [arm for arm, results in found.items() if results[0]["weights"]]
    if not arms:
        return None
    weights = found[arms[-1]][0]["weights"]
    records = {record.uuid: record for record in runs.read(folder / "data" / "machine")}
    rows = []
    for fault in spoil.FAULTS:
        names = [name for name in weights if truth[name]["fault"] == fault][:_SHOWN]
        rows.append(np.concatenate([_tile(records[name], weights[name]) for name in names], axis=1))
    path = folder / "weights.png"
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1])
    return path


def _tile(record: Record, weight: float) -> RGBImage:
    image, mask = record.pixels()
    shade = (mask > 127)[..., None] * np.array([255, 0, 160])
    tinted = np.where(shade.any(-1, keepdims=True), image * 0.45 + shade * 0.55, image).astype(np.uint8)
    large = np.asarray(cv2.resize(tinted, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC), np.uint8)
    bar = np.full((18, large.shape[1], 3), 255, np.uint8)
    cv2.rectangle(bar, (0, 12), (round(weight * bar.shape[1]), 17), (40, 120, 40), -1)
    text = f"{weight:.2f} {record.instructions[0]}"[:28]
    cv2.putText(bar, text, (2, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.33, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([bar, large, np.full((4, large.shape[1], 3), 255, np.uint8)])
