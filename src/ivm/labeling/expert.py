"""Experts: mask models of any kind, each asked for every phrase of a plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError, ModelError, OptionError
from ivm.core.instruction import check_instruction
from ivm.core.model import MaskModel, RGBImage
from ivm.inference.seam import ask, encode

LARGEST_LOGIT = 30.0
"""Beyond it a sigmoid is 0 or 1 in half precision, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertSpec:
    """How an expert is made and run.

    Attributes:
        name: in provenance and calibration; each expert of a run has another.
        model: what `ivm.load` takes: a name of the zoo, a file or a folder. Empty where `make` is given.
        options: further arguments of `ivm.load`.
        make: makes the model in the worker that runs it, where no file holds it; can be pickled.
        workers: processes that run it side by side.
        cpus: cores that each takes.
        gpus: GPUs that each takes, a part of one, too.
        batch: pictures that it encodes at once.
    """

    name: str
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    make: Callable[[], MaskModel] | None = None
    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    batch: int = 8

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a number is out of range, or there is no model.
        """
        if bool(self.model) == (self.make is not None):
            raise OptionError(f"The expert {self.name!r} needs a model: the zoo's name, a file or a folder")
        if self.workers < 1 or self.batch < 1 or self.cpus < 0 or self.gpus < 0:
            raise OptionError(f"The expert {self.name!r} needs at least one worker, a batch of 1, cpus and gpus of 0")

    def load(self) -> MaskModel:
        """Make the model.

        Raises:
            ModelError: it cannot be loaded.
        """
        if self.make is not None:
            return self.make()
        from ivm.inference.zoo import load

        return load(self.model, **self.options).model


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one expert says of one phrase."""

    logits: NDArray[np.float16]
    """(h, w) on the expert's grid, the whole picture, clipped to +-`LARGEST_LOGIT`."""
    presence: float
    """Its own probability that the thing is there."""


@dataclass(slots=True)
class Expert:
    """A loaded expert with a clock."""

    spec: ExpertSpec
    model: MaskModel
    model_s: float = 0.0
    """Seconds that the model itself has worked."""

    @classmethod
    def load(cls, spec: ExpertSpec) -> Expert:
        """Load it; raises as `ExpertSpec.load` does."""
        return cls(spec, spec.load())

    def opinions(self, questions: Sequence[tuple[RGBImage, Sequence[str]]]) -> list[tuple[Opinion, ...] | IvmError]:
        """Ask about pictures, several phrases each; one that fails has its error in its place.

        Args:
            questions: a picture (H, W, 3) uint8 RGB with its phrases.
        """
        answers: list[tuple[Opinion, ...] | IvmError] = []
        for start in range(0, len(questions), self.spec.batch):
            answers += self._batch(questions[start : start + self.spec.batch])
        return answers

    def _batch(self, questions: Sequence[tuple[RGBImage, Sequence[str]]]) -> list[tuple[Opinion, ...] | IvmError]:
        began = time.perf_counter()
        try:
            features = encode(self.model, [image for image, _ in questions])
            pairs = [
                (one, check_instruction(phrase))
                for one, (_, phrases) in zip(features, questions, strict=True)
                for phrase in phrases
            ]
            said = iter(ask(self.model, [one for one, _ in pairs], [phrase for _, phrase in pairs]))
        except Exception as error:  # whatever a model's own code raises on one picture must not end a run
            if len(questions) == 1:
                return [error if isinstance(error, IvmError) else ModelError(f"{type(error).__name__}: {error}")]
            # One of them: find out which, the others lose nothing.
            return [answer for question in questions for answer in self._batch([question])]
        finally:
            self.model_s += time.perf_counter() - began
        return [_all([next(said) for _ in phrases]) for _, phrases in questions]


def _all(answers: Sequence[Any]) -> tuple[Opinion, ...] | IvmError:
    for answer in answers:
        if isinstance(answer, ModelError):
            return answer
    return tuple(
        Opinion(np.clip(one.logits, -LARGEST_LOGIT, LARGEST_LOGIT).astype(np.float16), one.presence) for one in answers
    )
