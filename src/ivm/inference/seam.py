"""What comes back from a mask model is checked here, once, whichever backend it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ivm.core.errors import ModelError
from ivm.core.model import Heatmap, MaskModel, RGBImage


class Answer(NamedTuple):
    """What a model says of one question."""

    logits: Heatmap
    """(h, w) float32, finite, the whole picture on the model's grid."""
    presence: float
    """In [0, 1]."""


def encode(model: MaskModel, images: Sequence[RGBImage]) -> Sequence[Any]:
    """Encode pictures, one features object each.

    Raises:
        ModelError: the model failed, or broke its contract.
    """
    features = model.encode(images)
    if len(features) != len(images):
        raise ModelError(f"The model {model.name} encoded {len(features)} pictures of {len(images)}")
    return features


def ask(model: MaskModel, features: Sequence[Any], instructions: Sequence[str]) -> list[Answer | ModelError]:
    """Put one checked instruction to each features object; a bad answer becomes the error in its place.

    Raises:
        ModelError: the model failed, or did not answer every question.
    """
    logits, presence = model.predict(features, instructions)
    presence = np.asarray(presence)
    if len(logits) != len(instructions) or presence.shape != (len(instructions),):
        raise ModelError(
            f"The model {model.name} gave {len(logits)} maps and presence {presence.shape} for "
            f"{len(instructions)} questions"
        )
    return [_checked(model.name, one, there) for one, there in zip(logits, presence, strict=True)]


def _checked(name: str, logits: Any, presence: Any) -> Answer | ModelError:
    logits = np.asarray(logits)
    if logits.ndim != 2 or logits.size == 0 or not np.issubdtype(logits.dtype, np.floating):
        return ModelError(f"The model {name} gave logits {logits.shape} {logits.dtype}, not (h, w) float32")
    if not np.isfinite(logits).all():
        return ModelError(f"The model {name} gave logits that are not numbers: its weights are damaged")
    if not 0 <= presence <= 1:
        return ModelError(f"The model {name} gave the presence {presence}, which is not in [0, 1]")
    return Answer(logits.astype(np.float32, copy=False), float(presence))
