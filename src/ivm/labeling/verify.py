"""Does the masked picture still serve the instruction? An LMM, a judge of masks or the expert itself may say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError, OptionError
from ivm.core.model import RGBImage
from ivm.labeling.asking import Asker, ask_all, shown
from ivm.labeling.expert import Expert
from ivm.lmm.prompts import Prompt
from ivm.lmm.questions import Question
from ivm.masking.heatmap import sigmoid, upsample_logits
from ivm.masking.overlap import mask_iou

VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "enough": {"type": "boolean"},
        "missing": {"type": "string", "description": "what is missing, empty where nothing is"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["enough", "missing", "confidence"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What is judged."""

    image: RGBImage
    """(H, W, 3) uint8 RGB."""
    mask: NDArray[np.bool_]
    """(H, W) bool."""
    instruction: str
    phrases: tuple[str, ...]
    """What the plan asked the experts for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement of one mask."""

    good: bool
    score: float
    """Probability that the mask is good, in [0, 1], as far as the verifier can tell."""
    reason: str = ""
    """In words; empty for a good one."""


class Verifier(Protocol):
    """Judges masks."""

    name: str
    """With its version, as provenance cites it."""

    def verify(self, cases: Sequence[Case]) -> list[Verdict | IvmError]:
        """Judge; a case that cannot be judged has its error in its place."""
        ...


class LmmVerifier:
    """Shows an LMM the picture with everything else painted white, and asks whether that is enough."""

    def __init__(self, asker: Asker, prompt: Prompt, *, max_tokens: int = 200) -> None:
        self._asker, self._prompt, self._max_tokens = asker, prompt, max_tokens
        self.name = f"{prompt.id} {asker.model}"

    def verify(self, cases: Sequence[Case]) -> list[Verdict | IvmError]:
        """Ask about all cases side by side."""
        return ask_all(self._asker, map(self._question, cases), _read, "judge")

    def _question(self, case: Case) -> Question:
        messages = self._prompt.messages(
            pictures=[shown(left_over(case.image, case.mask))], instruction=case.instruction
        )
        return Question(messages=messages, schema=VERDICT_SCHEMA, max_tokens=self._max_tokens)


class MaskJudge(Protocol):
    """Tells masks of people from a machine's, as the discriminator of training does (arXiv 2405.19783, section 4)."""

    name: str

    def judge(
        self, images: Sequence[RGBImage], masks: Sequence[NDArray[np.bool_]], instructions: Sequence[str]
    ) -> NDArray[np.float32]:
        """Probability, (N,) in [0, 1], that each mask (H, W) was drawn by a person."""
        ...


JudgeOpener = Callable[[Path], MaskJudge]
"""Opens a judge from a file; can be pickled. `ivm.training.judge.open_judge` is one; this room knows no training."""


class JudgeVerifier:
    """Takes what a judge of masks finds likely enough to be a person's."""

    def __init__(self, judge: MaskJudge, *, least: float = 0.3) -> None:
        """Take a judge.

        Args:
            judge: any.
            least: probability below which a mask is rejected.

        Raises:
            OptionError: `least` is not in [0, 1].
        """
        if not 0 <= least <= 1:
            raise OptionError(f"The least probability of a good mask must be in [0, 1], not {least!r}")
        self._judge, self._least, self.name = judge, least, judge.name

    def verify(self, cases: Sequence[Case]) -> list[Verdict | IvmError]:
        """Judge all at once; where that fails, one by one, so that the others lose nothing."""
        if not cases:
            return []
        try:
            scores = self._judge.judge(
                [case.image for case in cases], [case.mask for case in cases], [case.instruction for case in cases]
            )
        except IvmError as error:
            return [error] if len(cases) == 1 else [self.verify([case])[0] for case in cases]
        return [
            Verdict(score >= self._least, score, "" if score >= self._least else "unlike a person's mask")
            for score in map(float, scores)
        ]


class AgainVerifier:
    """Asks an expert once more, in the masked picture: a good mask leaves what the expert finds where it was."""

    def __init__(self, expert: Expert, *, least: float = 0.5) -> None:
        """Take an expert.

        Args:
            expert: a loaded one.
            least: overlap of both masks below which the first is rejected.
        """
        self._expert, self._least = expert, least
        self.name = f"{expert.spec.name} again"

    def verify(self, cases: Sequence[Case]) -> list[Verdict | IvmError]:
        """Ask about all cases."""
        said = self._expert.opinions([(left_over(case.image, case.mask), case.phrases) for case in cases])
        return [
            one if isinstance(one, IvmError) else self._compare(case, one)
            for case, one in zip(cases, said, strict=True)
        ]

    def _compare(self, case: Case, opinions: Sequence[Any]) -> Verdict:
        logits = np.max([upsample_logits(one.logits.astype(np.float32), *case.mask.shape) for one in opinions], axis=0)
        score = mask_iou(sigmoid(logits) > 0.5, case.mask, empty=0.0)
        good = score >= self._least
        return Verdict(good, score, "" if good else "not found again in the masked picture")


def left_over(image: RGBImage, mask: NDArray[np.bool_]) -> RGBImage:
    """The picture (H, W, 3) with all white outside the mask (H, W)."""
    return np.where(mask[..., None], image, np.uint8(255))


def _read(told: Any) -> Verdict:
    enough, sure = bool(told["enough"]), float(told["confidence"])
    missing = str(told["missing"])[:200]
    return Verdict(enough, sure if enough else 1 - sure, "" if enough else missing or "not enough is left")
