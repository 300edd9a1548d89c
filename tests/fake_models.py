"""Mask models without a network, put in at the seam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import ModelError
from ivm.core.model import Prediction, RGBImage


class RedModel:
    """Finds what is red, whatever is asked; absent when the instruction says "nothing". Counts its calls."""

    name = "red"

    def __init__(self) -> None:
        self.encoded: list[int] = []
        self.asked: list[list[str]] = []

    def encode(self, images: Sequence[RGBImage]) -> Sequence[Any]:
        self.encoded.append(len(images))
        return [np.where(image[..., 0] > 200, 5.0, -5.0).astype(np.float32) for image in images]

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        self.asked.append(list(instructions))
        presence = [0.1 if "nothing" in instruction else 0.9 for instruction in instructions]
        return Prediction(list(features), np.array(presence, np.float32))


class FailsOn(RedModel):
    """Fails as a whole when one instruction of the batch holds the word "poison"."""

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        answer = super().predict(features, instructions)
        if any("poison" in instruction for instruction in instructions):
            raise ModelError("poisoned")
        return answer


class Answers(RedModel):
    """Gives a fixed answer."""

    def __init__(self, logits: Any, presence: Any) -> None:
        super().__init__()
        self._answer = Prediction(logits, presence)

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        return self._answer


def red_square(x: int = 4, size: int = 32) -> NDArray[np.uint8]:
    """A grey picture with a red square of 8 x 8, its left side at column x."""
    image = np.full((size, size, 3), 90, np.uint8)
    image[12:20, x : x + 8] = (250, 10, 10)
    return image


def red_at(x: int, size: int = 8) -> NDArray[np.uint8]:
    """A black picture with one red column."""
    image = np.zeros((size, size, 3), np.uint8)
    image[:, x] = (255, 0, 0)
    return image
