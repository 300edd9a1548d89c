"""Whether a model finds what is asked on rendered tables that it has not seen, and knows what is not there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ivm.data.tabletop.asked import asked_scenes
from ivm.evaluation.bootstrap import Estimate, cluster_bootstrap
from ivm.evaluation.masks.presence import auroc, calibration_error
from ivm.evaluation.metrics import pointing_hit
from ivm.inference.masker import Masker
from ivm.masking.overlap import mask_iou

HELD_OUT_SEED = 900_002
"""Seed of the scenes; no recipe trains on one from 900,000 on, and calibration uses another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneScore:
    """One question about one scene and how well it was answered."""

    scene: int
    instruction: str
    form: str
    """"single", "color", "side", "two" or "absent"."""
    present: bool
    hit: float | None
    """`pointing_hit`; None for what is absent."""
    iou: float | None
    """`mask_iou` on the decided pixels; None for what is absent."""
    found: float


def answer_scenes(
    masker: Masker,
    *,
    scenes: int,
    questions: int = 6,
    seed: int = HELD_OUT_SEED,
    threshold: float = 0.5,
    renderer: str = "fast",
) -> Iterator[SceneScore]:
    """Render scenes one after the other and ask about each.

    Args:
        masker: the model.
        scenes: how many, 640x480 each.
        questions: asked about each.
        seed: of scenes and questions.
        threshold: in [0, 1]; the heatmap above it is the mask.
        renderer: one of `ivm.data.tabletop.asked.RENDERERS`.

    Raises:
        OptionError: there is no such renderer.
        MissingExtraError: numba, or mujoco where it is asked for, is not installed.
        DeviceError: MuJoCo finds no OpenGL on this machine.
    """
    for number, scene, asked in asked_scenes(scenes, questions, seed, renderer):
        with masker.open(scene.image) as view:
            results = view.many([question.instruction for question in asked], threshold)
        for question, result in zip(asked, results, strict=True):
            hit = iou = None
            if question.present:
                truth, decided = question.mask == 1, question.mask != 255
                hit = pointing_hit(np.where(decided, result.soft, -1), truth)
                iou = mask_iou((result.soft > threshold) & decided, truth)
            assert result.found is not None, "a Masker hands the model's presence on"
            yield SceneScore(
                scene=number,
                instruction=question.instruction,
                form=question.form,
                present=question.present,
                hit=hit,
                iou=iou,
                found=result.found,
            )


@dataclass(frozen=True, slots=True)
class SceneReport:
    """The scores of one model on rendered scenes, and what they come to."""

    scores: tuple[SceneScore, ...]

    def iou(self, form: str | None = None) -> Estimate:
        """Mean IoU of the questions of one form, or of all about what is present."""
        return self._estimate("iou", form)

    def pointing(self, form: str | None = None) -> Estimate:
        """Pointing accuracy of the questions of one form, or of all about what is present."""
        return self._estimate("hit", form)

    @property
    def forms(self) -> Sequence[str]:
        """Forms of questions about what is present."""
        return sorted({score.form for score in self.scores if score.present})

    @property
    def auroc(self) -> float:
        """Chance that `found` is higher for something present than for something absent, ties counting half.

        NaN where nothing was asked that is present, or nothing that is absent.
        """
        value = auroc([score.found for score in self.scores], [score.present for score in self.scores])
        return math.nan if value is None else value

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of `found` in ten bins (Naeini et al., AAAI 2015), 0 is best."""
        error = calibration_error([score.found for score in self.scores], [score.present for score in self.scores])
        return math.nan if error is None else error

    def to_json(self) -> dict[str, Any]:
        """Estimates, and each single score; None for what has no number."""
        forms = [*self.forms, None]
        numbers = {"auroc": self.auroc, "calibration_error": self.calibration_error}
        return {
            "questions": len(self.scores),
            "by_form": {
                form or "all present": {"pointing": self.pointing(form)._asdict(), "iou": self.iou(form)._asdict()}
                for form in forms
            },
            **{name: None if math.isnan(value) else value for name, value in numbers.items()},
            "scores": [asdict(score) for score in self.scores],
        }

    def _estimate(self, name: str, form: str | None) -> Estimate:
        chosen = [score for score in self.scores if score.present and form in (None, score.form)]
        return cluster_bootstrap([getattr(score, name) for score in chosen], [score.scene for score in chosen])
