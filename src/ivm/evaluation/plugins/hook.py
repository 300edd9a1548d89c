"""What both plug-ins share: a picture and the words of a question go in, the pictures of a view come out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ivm.core.errors import OptionError
from ivm.core.instruction import MAX_WORDS
from ivm.core.model import RGBImage
from ivm.evaluation.suites.choices import split_options
from ivm.evaluation.trial.pictures import shown
from ivm.evaluation.trial.variants import VIEWS

if TYPE_CHECKING:
    from ivm.inference.masker import Masker

SETTINGS = ("view", "mask_model", "threshold")


@dataclass(frozen=True, kw_only=True)
class MaskingHook:
    """Masks pictures on their way to a model.

    Attributes:
        view: a name in `variants.VIEWS`.
        mask_model: whatever `ivm.load` takes; loaded at its first use.
        threshold: in [0, 1].
        masker: a loaded model instead of `mask_model`.
    """

    view: str = "highlight"
    mask_model: str = "ivm-nano"
    threshold: float = 0.5
    masker: Masker | None = None

    def __post_init__(self) -> None:
        """Check the view.

        Raises:
            OptionError: there is no such view.
        """
        if self.view not in VIEWS:
            raise OptionError(f"There is no view {self.view!r}: use {', '.join(VIEWS)}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> MaskingHook:
        """Read `IVM_VIEW`, `IVM_MASK_MODEL` and `IVM_THRESHOLD`, for a harness that hands no options on.

        Raises:
            OptionError: a value is impossible.
        """
        found = {name: environment[f"IVM_{name.upper()}"] for name in SETTINGS if f"IVM_{name.upper()}" in environment}
        return cls.of(found)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> MaskingHook:
        """Make a hook from texts or numbers by name.

        Raises:
            OptionError: a value is impossible.
        """
        told = dict(settings)
        if "threshold" in told:
            try:
                told["threshold"] = float(told["threshold"])
            except (TypeError, ValueError):
                raise OptionError(f"The threshold must be a number from 0 to 1, not {told['threshold']!r}") from None
        return cls(**told)

    def pictures(self, image: Any, words: str) -> list[RGBImage]:
        """Mask one picture.

        Args:
            image: whatever `load_image` reads.
            words: the harness's prompt; options and all beyond 64 words are left out of the instruction.

        Returns:
            One picture, or two for "original+crop", each (h, w, 3) uint8.

        Raises:
            IvmError: the picture or the question cannot be used, or the model failed; nothing is passed on unmasked.
        """
        result = self._loaded(image, instruction_of(words), self.threshold)
        return [np.array(one) for one in shown(self.view, result)]

    @cached_property
    def _loaded(self) -> Masker:
        if self.masker is not None:
            return self.masker
        from ivm.inference.zoo import load

        return load(self.mask_model)


def instruction_of(prompt: str) -> str:
    """The question in a prompt: without marks of pictures, options, and what stands after them."""
    text = prompt.replace("<image>", " ")
    question, _ = split_options(text)
    return " ".join((question or text).split()[:MAX_WORDS])
