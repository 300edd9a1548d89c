"""Whether a model finds what is named: every labelled object of a set of pictures, asked in several phrases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ivm.core.errors import OptionError
from ivm.core.model import Heatmap, RGBImage
from ivm.evaluation.bootstrap import Estimate, cluster_bootstrap
from ivm.evaluation.metrics import Mask, pointing_hit
from ivm.evaluation.objects import LabelledObject
from ivm.inference.masker import Masker
from ivm.masking.overlap import mask_iou

PHRASES = ("{}", "pick up {}")
"""How an object is asked for; {} is its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One question and how well it was answered."""

    image: Path
    """The picture; questions about the same one share their luck."""
    name: str
    phrase: str
    instruction: str
    """The phrase with the name in it, as it was asked."""
    hit: float
    """`pointing_hit` of the heatmap: 1.0 where it is highest on the object."""
    iou: float
    """`mask_iou` of the heatmap above the threshold."""
    found: float
    """The model's own probability that the object is there, which it is."""


class Answered(NamedTuple):
    """A score with what it was computed from, to look at."""

    score: Score
    image: RGBImage
    soft: Heatmap
    truth: Mask


def answer_all(
    masker: Masker, objects: Iterable[LabelledObject], *, phrases: Sequence[str] = PHRASES, threshold: float = 0.5
) -> Iterator[Answered]:
    """Ask for every object in every phrase, a picture at a time and each picture encoded once.

    Args:
        masker: any `MaskModel` in a `Masker`.
        objects: in any order; those of one picture are taken together, where the picture first appears.
        phrases: with {} for the name of the object.
        threshold: in [0, 1]; the heatmap above it is the mask whose IoU is taken.

    Yields:
        One answered question per object and phrase; nothing of it is kept, so a large set needs little memory.

    Raises:
        OptionError: there is no phrase, or one has no {}.
        ImageError: a picture or mask cannot be used.
        ThresholdError: the threshold is not a number in [0, 1].
        ModelError: the model failed.
    """
    if not phrases or not all("{}" in phrase for phrase in phrases):
        raise OptionError(f"Each phrase must hold {{}} in the place of the object's name, found {list(phrases)}")
    in_picture: dict[Path, list[LabelledObject]] = {}
    for one in objects:
        in_picture.setdefault(one.image, []).append(one)
    for path, present in in_picture.items():
        with masker.open(path) as view:
            asked = [(one, phrase, phrase.replace("{}", one.name)) for one in present for phrase in phrases]
            results = view.many([instruction for _, _, instruction in asked], threshold)
            for (one, phrase, instruction), result in zip(asked, results, strict=True):
                assert result.found is not None, "a Masker hands the model's presence on"
                truth = one.truth(view.image.shape[:2])
                score = Score(
                    image=path,
                    name=one.name,
                    phrase=phrase,
                    instruction=instruction,
                    hit=pointing_hit(result.soft, truth),
                    iou=mask_iou(result.soft > threshold, truth),
                    found=result.found,
                )
                yield Answered(score, view.image, result.soft, truth)


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """The mean scores of some questions."""

    label: str
    questions: int
    hit: float
    iou: float
    found: float


@dataclass(frozen=True, slots=True)
class Grounding:
    """The scores of one model on one set of objects, and what they come to."""

    scores: tuple[Score, ...]

    def __post_init__(self) -> None:
        """Refuse an empty set, of which nothing can be said."""
        if not self.scores:
            raise ValueError("Expected at least one score")

    @property
    def pictures(self) -> int:
        """Number of different pictures."""
        return len({score.image for score in self.scores})

    @property
    def pointing(self) -> Estimate:
        """Pointing accuracy: share of the questions whose heatmap is highest on the object."""
        return self._estimate("hit")

    @property
    def iou(self) -> Estimate:
        """Mean intersection over union, every question counting the same."""
        return self._estimate("iou")

    @property
    def found(self) -> Estimate:
        """Mean probability that the model gave to the presence of what is there."""
        return self._estimate("found")

    def by(self, field: str) -> list[Means]:
        """Mean scores for each value of "name", "phrase" or "image", the worst IoU first."""
        groups: dict[str, list[Score]] = {}
        for score in self.scores:
            groups.setdefault(str(getattr(score, field)), []).append(score)
        return sorted((_means(label, scores) for label, scores in groups.items()), key=lambda row: (row.iou, row.label))

    def _estimate(self, field: str) -> Estimate:
        return cluster_bootstrap([getattr(score, field) for score in self.scores], [s.image for s in self.scores])


def _means(label: str, scores: Sequence[Score]) -> Means:
    count = len(scores)
    return Means(
        label=label,
        questions=count,
        hit=sum(score.hit for score in scores) / count,
        iou=sum(score.iou for score in scores) / count,
        found=sum(score.found for score in scores) / count,
    )
