"""Statistics of a data set's features, by which LeRobot's policies normalise: of an episode, and of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stats = dict[str, NDArray[Any]]

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}

_STRIDE = 4
"""Every how many-th row and column of pictures is counted."""


def stats_of(values: NDArray[Any], *, image: bool) -> Stats:
    """Count one feature of one episode.

    Args:
        values: (N, H, W, 3) uint8 pictures, or (N, n) numbers.
        image: which of them.

    Returns:
        min, max, mean, std and quantiles, (3, 1, 1) in [0, 1] for pictures, else (n,); and count (1,).
    """
    if image:
        rows = values[:, ::_STRIDE, ::_STRIDE].reshape(-1, values.shape[-1]).astype(np.float64) / 255
    else:
        rows = values.astype(np.float64)
    found = {"min": rows.min(axis=0), "max": rows.max(axis=0), "mean": rows.mean(axis=0), "std": rows.std(axis=0)}
    found |= dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))
    shaped = {name: value.reshape(-1, 1, 1) if image else value for name, value in found.items()}
    return shaped | {"count": np.array([len(values)])}


def together(parts: Sequence[Mapping[str, Any]]) -> Stats:
    """Return the statistics of several episodes together; quantiles are the mean of theirs, weighted by frames."""
    counts = np.array([np.asarray(part["count"]).ravel()[0] for part in parts], np.float64)
    share = counts / counts.sum()

    def mean(name: str) -> NDArray[Any]:
        return np.asarray(sum(w * np.asarray(part[name], np.float64) for w, part in zip(share, parts, strict=True)))

    middle = mean("mean")
    squares = sum(
        w * (np.square(np.asarray(part["std"], np.float64)) + np.square(np.asarray(part["mean"], np.float64) - middle))
        for w, part in zip(share, parts, strict=True)
    )
    return {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": middle,
        "std": np.sqrt(squares),
        **{name: mean(name) for name in QUANTILES},
        "count": np.array([int(counts.sum())]),
    }
