"""What machine labels get wrong: four faults, made of exact masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ivm.evaluation.metrics import Mask

FAULTS = {"none": 0.3, "wrong object": 0.2, "box": 0.2, "too much": 0.15, "too little": 0.15}
"""How often a machine label has which fault."""


def spoil(mask: Mask, others: Sequence[Mask], fault: str, rng: np.random.Generator) -> Mask:
    """Give an exact mask a fault.

    Args:
        mask: not empty.
        others: masks of the picture's other things, at least one.
        fault: a name in `FAULTS`.
        rng: draws what is open.
    """
    if fault == "wrong object":
        return others[int(rng.integers(len(others)))]
    rows, columns = np.nonzero(mask)
    if fault == "box":
        boxed = np.zeros_like(mask)
        boxed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        return boxed
    if fault == "too much":
        reach = 2 * round(float(rng.uniform(0.18, 0.35)) * float(np.sqrt(len(rows)))) + 3
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), bool)
    if fault == "too little":
        angle = rng.uniform(0, 2 * np.pi)
        along = rows * np.sin(angle) + columns * np.cos(angle)
        kept = along <= np.quantile(along, rng.uniform(0.3, 0.55))
        part = np.zeros_like(mask)
        part[rows[kept], columns[kept]] = True
        return part
    return mask


def draw_fault(rng: np.random.Generator) -> str:
    """Draw a fault at the rates of `FAULTS`."""
    return str(rng.choice(list(FAULTS), p=list(FAULTS.values())))
