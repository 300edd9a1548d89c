"""Four experts that are wrong in ways that are known, for measuring how their opinions are joined.

They see the truth and spoil it: one often takes another thing for the one asked for, one draws too large, one too small
and with the wrong scale of logits, one is noisy and often sees nothing. How good each is, is known by measuring it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.labeling.expert import Opinion

GRIDS = {"mistaken": (72, 96), "generous": (48, 64), "timid": (120, 160), "noisy": (60, 80)}


@dataclass(frozen=True)
class FaultyExpert:
    """One spoiler of truth; what it says depends on its name, the record and the seed alone."""

    name: str
    seed: int = 0

    def opinion(self, uuid: str, truth: NDArray[np.bool_], others: list[NDArray[np.bool_]]) -> Opinion:
        """Say something of a thing.

        Args:
            uuid: of the record.
            truth: (H, W) bool.
            others: masks of other things in the picture.
        """
        rng = np.random.default_rng((self.seed, zlib.crc32(f"{self.name} {uuid}".encode())))
        height, width = GRIDS[self.name]
        shown, presence = truth.astype(np.uint8), 0.9
        unit = max(3, round(0.02 * max(truth.shape)))
        if self.name == "mistaken" and others and rng.random() < 0.35:
            shown = others[int(rng.integers(len(others)))].astype(np.uint8)
        if self.name == "generous":
            shown = _grown(shown, int(unit * rng.uniform(0.6, 3.0)))
            shown = np.roll(shown, rng.integers(-unit, unit + 1, 2), (0, 1))
        if self.name == "timid":
            shown = _shrunk(shown, int(unit * rng.uniform(0.3, 1.6)))
            shown = shown & (cv2.resize(rng.random((6, 8)), truth.shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.3)
        soft = cv2.resize(shown.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        logits = 10 * soft - 5
        if self.name == "noisy":
            if rng.random() < 0.3:
                logits, presence = np.full_like(logits, -3.0), 0.2
            blots = cv2.resize(rng.normal(0, 4.5, (15, 20)), (width, height), interpolation=cv2.INTER_CUBIC)
            logits = logits + blots + rng.normal(0, 2.0, logits.shape)
        if self.name == "timid":
            logits = 0.3 * logits - 1.0
        return Opinion(logits.astype(np.float16), presence)


def experts(seed: int = 0) -> list[FaultyExpert]:
    """All four."""
    return [FaultyExpert(name, seed) for name in GRIDS]


def _grown(mask: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(mask, np.ones((2 * by + 1, 2 * by + 1), np.uint8)), np.uint8)


def _shrunk(mask: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    small = np.asarray(cv2.erode(mask, np.ones((2 * by + 1, 2 * by + 1), np.uint8)), np.uint8)
    return small if small.any() else mask
