"""The pictures of a report: questions that a mask helped, hurt, or left as they were, side by side."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from ivm.core.errors import IvmError
from ivm.core.model import RGBImage
from ivm.evaluation.outcome.results import TrialResults
from ivm.evaluation.suites.item import VisualQuestion
from ivm.evaluation.trial.masking import Masking
from ivm.evaluation.trial.run import Outcome
from ivm.evaluation.trial.variants import RAW, Arm

Change = Literal["helped", "hurt", "unchanged"]

CHANGES: tuple[Change, ...] = ("helped", "hurt", "unchanged")
SHOWN = 6
"""Examples of each change."""

WIDTH = 520
"""Longest side of a picture on the page."""


class Embedded(NamedTuple):
    """A small picture inside a page."""

    url: str
    """A data URL."""
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Example:
    """One question in two arms, with what was sent."""

    change: Change
    question: VisualQuestion
    first: Outcome
    second: Outcome
    first_pictures: Sequence[Embedded]
    second_pictures: Sequence[Embedded]


def examples(results: TrialResults, masking: Masking, arm: Arm, count: int = SHOWN) -> Iterator[Example]:
    """Choose up to `count` questions of each change, spread evenly over the benchmark, and render them again.

    Args:
        results: of the trial.
        masking: as the trial made its masks.
        arm: is held against raw; one with the model's mask or with the oracle's.
        count: of each change.
    """
    raw, other = results.by_arm[RAW.name], results.by_arm.get(arm.name, {})
    sorted_out: dict[Change, list[VisualQuestion]] = {change: [] for change in CHANGES}
    for question in results.questions:
        if question.id in raw and question.id in other:
            gain = other[question.id].score - raw[question.id].score
            sorted_out["helped" if gain > 0 else "hurt" if gain < 0 else "unchanged"].append(question)
    for change, found in sorted_out.items():
        wanted = min(count, len(found))
        for question in (found[i * len(found) // wanted] for i in range(wanted)):
            try:
                masked = masking.mask(question, "", (RAW, arm))
                sent: list[list[Embedded]] = [[embedded(one) for one in masked.pictures(each)] for each in (RAW, arm)]
            except IvmError:  # it is in the table of states already
                sent = [[], []]
            yield Example(
                change=change,
                question=question,
                first=raw[question.id],
                second=other[question.id],
                first_pictures=sent[0],
                second_pictures=sent[1],
            )


def embedded(image: RGBImage, longest: int = WIDTH) -> Embedded:
    """A picture, made small, inside a page."""
    scale = min(1.0, longest / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, code = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert done, "an array of uint8 can be encoded"
    return Embedded("data:image/jpeg;base64," + base64.b64encode(code.tobytes()).decode("ascii"), *size)
