"""The one thing that every mask model is, whatever runs it: ONNX Runtime, PyTorch, a server or a fake in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

RGBImage = NDArray[np.uint8]
"""A picture: (H, W, 3) uint8, RGB, rows from the top."""

Heatmap = NDArray[np.float32]
"""(H, W) float32 in [0, 1]: how much the instruction needs each pixel."""


class Prediction(NamedTuple):
    """What a mask model says of N (picture, instruction) pairs."""

    logits: Sequence[NDArray[np.float32]]
    """N arrays (h, w) float32, the whole picture on the model's own grid; h and w may differ between pictures.
    A model with one grid may return them stacked, (N, h, w). Sigmoid gives the heatmap."""

    presence: NDArray[np.float32]
    """(N,) float32 in [0, 1], the calibrated probability that what is asked for is in the picture."""


@runtime_checkable
class MaskModel(Protocol):
    """Finds what an instruction needs in a picture, in two steps, so that a picture is encoded once."""

    name: str

    def encode(self, images: Sequence[RGBImage]) -> Sequence[Any]:
        """Return one features object per picture; only `predict` of the same model knows what is in it."""
        ...

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        """Answer `instructions[i]` about the picture behind `features[i]`; both have the same length."""
        ...
