"""What the scores of many masks come to, by the protocol that docs/evaluation.md fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ivm.evaluation.bootstrap import Estimate, cluster_bootstrap
from ivm.evaluation.masks.presence import auroc, brier, calibration_error, reliability
from ivm.evaluation.masks.scoring import MaskScore

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""IoU above which a mask counts as right."""

BOX_LEVEL = 0.5


@dataclass(frozen=True, slots=True)
class MaskSummary:
    """All metrics of some scores; what is not defined for them is None."""

    scores: tuple[MaskScore, ...]

    @property
    def giou(self) -> Estimate:
        """Mean IoU over questions, an empty union counting 1; what LISA and GRES call gIoU, others mIoU."""
        return self._mean([score.iou for score in self.scores], self.scores)

    @property
    def ciou(self) -> float | None:
        """Sum of intersections over sum of unions: large things weigh more. None where all unions are empty."""
        union = sum(score.union for score in self.scores)
        return sum(score.intersection for score in self.scores) / union if union else None

    def precision(self, level: float) -> float | None:
        """Pr@level: share of the questions about something present whose IoU is above `level`."""
        return _share([score.iou > level for score in self._there])

    @property
    def box_accuracy(self) -> float | None:
        """Share of the questions about something present whose box has an IoU above 0.5 with the true one."""
        return _share([score.box_iou > BOX_LEVEL for score in self.scores if score.box_iou is not None])

    @property
    def pointing(self) -> Estimate | None:
        """The pointing game: share of the heatmaps that are highest on what is asked for."""
        pointed = [score for score in self.scores if score.hit is not None]
        return self._mean([score.hit for score in pointed if score.hit is not None], pointed) if pointed else None

    @property
    def no_target_accuracy(self) -> float | None:
        """N-acc: share of the questions about what is absent that get an empty mask (GRES, arXiv 2306.00968)."""
        return _share([score.empty for score in self.scores if not score.present])

    @property
    def target_accuracy(self) -> float | None:
        """T-acc: share of the questions about what is present that get a mask that is not empty."""
        return _share([not score.empty for score in self._there])

    def by_category(self) -> dict[str, MaskSummary]:
        """The same for the questions of each category, by name."""
        names = sorted({score.category for score in self.scores})
        return {name: MaskSummary(tuple(s for s in self.scores if s.category == name)) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Every metric under its usual name; estimates with 95 % intervals from resampling pictures."""
        found, present = [s.found for s in self.scores], [s.present for s in self.scores]
        pointing = self.pointing
        return {
            "questions": len(self.scores),
            "pictures": len({score.group for score in self.scores}),
            "present": len(self._there),
            "gIoU": self.giou._asdict(),
            "cIoU": self.ciou,
            **{f"Pr@{level}": self.precision(level) for level in LEVELS},
            "box_accuracy": self.box_accuracy,
            "pointing": None if pointing is None else pointing._asdict(),
            "N-acc": self.no_target_accuracy,
            "T-acc": self.target_accuracy,
            "presence_AUROC": auroc(found, present),
            "calibration_error": calibration_error(found, present),
            "Brier": brier(found, present),
            "reliability": [row._asdict() for row in reliability(found, present)],
        }

    @property
    def _there(self) -> Sequence[MaskScore]:
        return [score for score in self.scores if score.present]

    @staticmethod
    def _mean(values: Sequence[float], scores: Sequence[MaskScore]) -> Estimate:
        return cluster_bootstrap(values, [score.group for score in scores])


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if marks else None
