"""Points as prompts: where a heatmap is highest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
"""(N, 2) float32: x, y in pixels of the picture, edges at whole numbers, x to the right and y down."""


def peaks(logits: NDArray[np.float32], size: tuple[int, int], *, threshold: float, apart: float, limit: int) -> Points:
    """Find the highest places of a heatmap, best first.

    Args:
        logits: (h, w) float32, which stand for the whole picture.
        size: (height, width) of the picture.
        threshold: in [0, 1]; only places whose probability is more count.
        apart: least distance of two peaks, as a fraction of the picture's longer side.
        limit: most peaks.

    Returns:
        (N, 2) float32, centres of the heatmap's cells in pixels of the picture.
    """
    chances = 1 / (1 + np.exp(-logits.astype(np.float64)))
    scale = np.array([size[1] / logits.shape[1], size[0] / logits.shape[0]])
    rows, columns = np.nonzero(chances > threshold)
    waiting = np.argsort(-chances[rows, columns], kind="stable")
    places = (np.stack([columns, rows], axis=1) + 0.5) * scale
    kept: list[int] = []
    while len(waiting) and len(kept) < limit:
        kept.append(int(waiting[0]))
        far = np.linalg.norm(places[waiting] - places[kept[-1]], axis=1) >= apart * max(size)
        waiting = waiting[far & (waiting != kept[-1])]
    points: Points = places[kept].astype(np.float32)
    return points
