"""Learns a calibration from labelled pictures: `Calibrator.add` each, then `fit`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.labeling.calibration import STRONGEST, Calibration, ExpertCalibration
from ivm.labeling.expert import Opinion
from ivm.labeling.fusion import SIGNS, Fused, fuse, grid_of
from ivm.masking.heatmap import upsample_logits
from ivm.masking.overlap import mask_iou

FEWEST = 8
"""Labelled things below which nothing is learnt."""
_BINS = 24
_SMOOTHING = 4.0
"""Pixels of each class added to every bin."""
_PIXELS = 600
"""Drawn from each labelled thing."""
_STEPS = 60
_RIDGE = 1e-2
_SHARPNESS, _SUPPORT, _OFFSETS = (0.0, 0.5, 1.0, 2.0), (0.0, 0.35, 0.5), (-1.0, -0.5, 0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class _Sample:
    opinions: Mapping[str, Opinion]
    truth: NDArray[np.bool_]
    """(h, w) on the grid."""
    size: tuple[int, int]
    """Of the picture."""
    values: NDArray[np.float32]
    """(E, pixels) logits at drawn pixels."""
    needed: NDArray[np.bool_]
    """(pixels,)"""


class Calibrator:
    """Collects what experts say of things whose masks are known, and learns how to join them."""

    def __init__(self, names: Sequence[str], *, seed: int = 0) -> None:
        """Begin with the names of all experts."""
        self._names = list(names)
        self._rng = np.random.default_rng(seed)
        self._samples: list[_Sample] = []
        self._presence: list[tuple[list[float], bool]] = []

    def add(self, opinions: Mapping[str, Opinion], truth: NDArray[np.bool_]) -> None:
        """Take in one thing.

        Args:
            opinions: of all experts.
            truth: (H, W) bool at the picture's size; all False where the thing is not there.
        """
        self._presence.append(([opinions[name].presence for name in self._names], bool(truth.any())))
        if not truth.any():
            return
        grid = grid_of(*truth.shape)
        small = cv2.resize(truth.astype(np.uint8) * 255, grid[::-1], interpolation=cv2.INTER_AREA) > 127
        logits = [upsample_logits(opinions[name].logits.astype(np.float32), *grid) for name in self._names]
        drawn = self._rng.integers(small.size, size=_PIXELS)
        self._samples.append(
            _Sample(
                {name: opinions[name] for name in self._names},
                small,
                (truth.shape[0], truth.shape[1]),
                np.stack([one.ravel()[drawn] for one in logits]),
                small.ravel()[drawn],
            )
        )

    def fit(self) -> Calibration:
        """Learn tables, weights, how regions are judged, and the expected quality.

        Raises:
            OptionError: fewer than `FEWEST` labelled things were taken in.
        """
        if len(self._samples) < FEWEST:
            raise OptionError(
                f"A calibration needs at least {FEWEST} labelled things that are in their pictures, not "
                f"{len(self._samples)}: give more records"
            )
        values = np.concatenate([sample.values for sample in self._samples], axis=1)
        needed = np.concatenate([sample.needed for sample in self._samples])
        tables = [_table(row, needed) for row in values]
        evidence = np.stack([np.interp(row, *table) for row, table in zip(values, tables, strict=True)])
        weights, offset = _logistic(evidence, needed)
        experts = {
            name: ExpertCalibration(
                logits=tuple(map(float, table[0])),
                evidence=tuple(map(float, table[1])),
                weight=float(weight),
                presence=self._presence_of(index),
            )
            for index, (name, table, weight) in enumerate(zip(self._names, tables, weights, strict=True))
        }
        first = Calibration(experts=experts, offset=offset, records=len(self._samples))
        best = self._best(first)
        told = {name: replace(one, mean_iou=self._own_iou(best, name)) for name, one in best.experts.items()}
        return self._with_quality(replace(best, experts=told))

    def _best(self, first: Calibration) -> Calibration:
        """Choose how regions are judged, and the offset, by mean IoU on the labelled things."""
        choices = [
            replace(first, sharpness=sharpness, support=support)
            for sharpness, support in itertools.product(_SHARPNESS, _SUPPORT)
        ]
        best = max(choices, key=self._mean_iou)
        return max((replace(best, offset=first.offset + more) for more in _OFFSETS), key=self._mean_iou)

    def _mean_iou(self, calibration: Calibration) -> float:
        return float(np.mean([overlap(sample, calibration)[0] for sample in self._samples]))

    def _own_iou(self, calibration: Calibration, name: str) -> float:
        """Mean IoU of one expert alone, by its table."""
        alone = replace(calibration, offset=0.0, experts={name: replace(calibration.experts[name], weight=1.0)})
        return float(np.mean([overlap(sample, alone, only=name)[0] for sample in self._samples]))

    def _with_quality(self, calibration: Calibration) -> Calibration:
        """Learn the expected overlap with the truth from the signs of a good mask, by ridge regression."""
        pairs = [overlap(sample, calibration) for sample in self._samples]
        known = np.array([iou for iou, _ in pairs])
        signs = np.stack([fused.signs for _, fused in pairs])
        middle = signs.mean(axis=0)
        centred = signs - middle
        square = centred.T @ centred + _RIDGE * len(pairs) * np.eye(len(SIGNS))
        slopes = np.linalg.solve(square, centred.T @ (known - known.mean()))
        return replace(
            calibration,
            quality_weights=tuple(map(float, slopes)),
            quality_offset=float(known.mean() - middle @ slopes),
        )

    def _presence_of(self, index: int) -> tuple[float, float]:
        """Slope and offset of an expert's log-odds of presence; unchanged where nothing was asked for in vain."""
        there = np.array([present for _, present in self._presence])
        if there.all():
            return (1.0, 0.0)
        own = np.clip([values[index] for values, _ in self._presence], 1e-4, 1 - 1e-4)
        odds = np.log(own / (1 - own))
        slopes, offset = _logistic(odds[None], there)
        return (float(slopes[0]), offset)


def overlap(sample: _Sample, calibration: Calibration, only: str | None = None) -> tuple[float, Fused]:
    """IoU of a fused mask with the truth, and the fusion itself.

    Args:
        sample: a labelled thing.
        calibration: to fuse with.
        only: the one expert to ask, or None for all.
    """
    opinions = sample.opinions if only is None else {only: sample.opinions[only]}
    fused = fuse(opinions, calibration, *sample.size)
    return mask_iou(fused.mask, sample.truth, empty=0.0), fused


def _table(logits: NDArray[np.float32], needed: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood ratios of one expert's logits, which never fall as the logits rise.

    Bins hold equal numbers of needed pixels and of others by turns, so that the few needed ones are seen finely, too.
    Neighbours that fall are pooled (pool adjacent violators; Zadrozny and Elkan, "Transforming classifier scores into
    accurate multiclass probability estimates", KDD 2002).
    """
    edges = np.unique(
        np.concatenate(
            [np.quantile(part, np.linspace(0, 1, _BINS // 2 + 1)) for part in (logits[needed], logits[~needed])]
        )
    )
    bins = (
        np.searchsorted(edges, logits, side="right") - 1
    )  # the greatest value, often a common one, has a bin of its own
    count = int(bins.max()) + 1
    inside = np.bincount(bins[needed], minlength=count) + _SMOOTHING
    outside = np.bincount(bins[~needed], minlength=count) + _SMOOTHING * (~needed).sum() / max(int(needed.sum()), 1)
    middles = np.bincount(bins, logits, minlength=count) / np.maximum(np.bincount(bins, minlength=count), 1)
    filled = np.bincount(bins, minlength=count) > 0
    blocks: list[list[float]] = []
    for place in np.flatnonzero(filled):
        blocks.append([inside[place], outside[place], 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [old + new for old, new in zip(blocks[-1], last, strict=True)]
    total = float(needed.sum()), float((~needed).sum())
    ratios = [
        np.log(block[0] / total[0]) - np.log(block[1] / total[1]) for block in blocks for _ in range(int(block[2]))
    ]
    points, first = np.unique(np.round(middles[filled], 4), return_index=True)
    return points, np.clip(ratios, -STRONGEST, STRONGEST)[first]


def _logistic(values: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Slopes, 0 or more, and offset of a logistic regression by Newton's steps; rows are features, columns cases."""
    rows = np.vstack([values, np.ones(values.shape[1])])
    found = np.zeros(len(rows))
    found[:-1] = 1.0 / len(values)
    pull = _RIDGE * len(truth) * np.append(np.ones(len(values)), 0.0) / 10
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(found @ rows, -30, 30)))
        slope = rows @ (truth - likely) - pull * found
        curve = (rows * (likely * (1 - likely))) @ rows.T + np.diag(pull + 1e-6)
        found = found + np.clip(np.linalg.solve(curve, slope), -0.5, 0.5)
        found[:-1] = np.maximum(found[:-1], 0.0)
    return found[:-1], float(found[-1])
