"""From a question to the masks of a trial: the model's own, and those of the controls."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ivm.core.errors import IvmError
from ivm.core.images import load_image
from ivm.core.model import RGBImage
from ivm.evaluation.suites.item import VisualQuestion
from ivm.evaluation.trial.pictures import boxes_mask, matched, moved, shown, with_mask
from ivm.evaluation.trial.variants import Arm
from ivm.inference.masker import Masker
from ivm.masking import MaskResult


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A picture with the mask of every source that a trial needs."""

    checksum: str
    """First 16 digits of the SHA-256 of the picture's file."""
    results: Mapping[str, MaskResult | IvmError]
    """By the names of `variants.MASK_FROM`, and "raw"; an error where the model failed."""

    def pictures(self, arm: Arm) -> list[RGBImage]:
        """What an arm sends.

        Raises:
            IvmError: its mask could not be made.
        """
        result = self.result(arm)
        if arm.mask == "matched":
            return [matched(result.image, shown(arm.view, result))]
        return shown(arm.view, result)

    def result(self, arm: Arm) -> MaskResult:
        """The picture and mask of an arm; of "matched" the model's, whose size it takes.

        Raises:
            IvmError: the mask could not be made.
        """
        source = "raw" if arm.view == "raw" else "model" if arm.mask == "matched" else arm.mask
        found = self.results[source]
        if isinstance(found, IvmError):
            raise found
        return found


@dataclass(frozen=True, kw_only=True)
class Masking:
    """How masks are made.

    Attributes:
        masker: the mask model.
        threshold: in [0, 1].
        style: see `MaskResult.from_logits`.
        seed: of random places and of the shuffling.
    """

    masker: Masker
    threshold: float = 0.5
    style: Mapping[str, Any]
    seed: int = 0

    def mask(self, question: VisualQuestion, other: str, arms: Sequence[Arm]) -> Masked:
        """Read a picture and make the masks that some arms need; the picture is encoded once.

        Args:
            question: its words are the instruction, just as a user's would be.
            other: the instruction of the shuffled control.
            arms: those that are to be asked.

        Raises:
            ImageError: the picture cannot be read.
        """
        data = question.picture.read()
        image = load_image(data)
        image.setflags(write=False)
        raw = MaskResult.from_heatmap(image, np.zeros(image.shape[:2], np.bool_), self.threshold, **self.style)
        wanted = {arm.mask for arm in arms if arm.view != "raw"}
        asked = {"model": question.question} if wanted - {"oracle", "shuffled"} else {}
        if "shuffled" in wanted:
            asked["shuffled"] = other
        results: dict[str, MaskResult | IvmError] = {"raw": raw}
        if asked:
            found = self.masker.batch(
                image, list(asked.values()), threshold=self.threshold, on_error="return", **self.style
            )
            results |= dict(zip(asked, found, strict=True))
        if "oracle" in wanted:
            results["oracle"] = with_mask(raw, boxes_mask(question.boxes, *image.shape[:2]))
        if "random" in wanted:
            own = results["model"]
            results["random"] = (
                own if isinstance(own, IvmError) else with_mask(own, moved(own.binary, question, self.seed))
            )
        return Masked(checksum=hashlib.sha256(data).hexdigest()[:16], results=results)


def other_instructions(questions: Sequence[VisualQuestion], seed: int) -> list[str]:
    """For each question the words of the next one, in an order drawn from `seed`, that is about another picture."""
    count = len(questions)
    if count < 2:
        return [question.question for question in questions]
    order = np.random.default_rng((seed, 1)).permutation(count)
    others = [""] * count
    for place, number in enumerate(order):
        step = next(
            (
                step
                for step in range(1, count)
                if questions[order[(place + step) % count]].picture.key != questions[number].picture.key
            ),
            1,
        )
        others[number] = questions[order[(place + step) % count]].question
    return others
