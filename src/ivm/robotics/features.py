"""What a frame of LeRobot's data set format v3.0 holds, and the checks on what is put into it.

Written from the format's public documentation and its reader (lerobot 0.4.4, `datasets/utils.py`): pictures are PNG
bytes in the parquet files, numbers are lists of a fixed length, five columns count frames and episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import RecordError
from ivm.core.instruction import check_instruction

VERSION = "v3.0"
CAMERA = "observation.images.front"
STATE = "observation.state"
ACTION = "action"

COUNTED = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""Columns of every data set, (1,) each."""

Feature = dict[str, Any]


def image_feature(height: int, width: int) -> Feature:
    """Describe a camera's pictures."""
    return {"dtype": "image", "shape": [height, width, 3], "names": ["height", "width", "channels"]}


def vector_feature(names: tuple[str, ...]) -> Feature:
    """Describe a vector of float32."""
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}


def with_counted(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Return features with the counted columns after them."""
    return dict(features) | {name: {"dtype": d, "shape": [1], "names": None} for name, d in COUNTED.items()}


def check_frame(frame: Mapping[str, Any], features: Mapping[str, Feature], where: str) -> dict[str, NDArray[Any]]:
    """Return a frame's arrays, each of the shape and dtype of its feature.

    Args:
        frame: arrays by the keys of `features`.
        features: without the counted ones.
        where: names the frame in errors, for example "frame 3 of episode 0".

    Raises:
        RecordError: a key is missing or unknown, or an array is of another shape or not finite.
    """
    if missing := [key for key in features if key not in frame]:
        raise RecordError(f"{where} has no {missing[0]!r}: it holds {', '.join(map(repr, frame)) or 'nothing'}")
    if unknown := [key for key in frame if key not in features]:
        raise RecordError(f"{where} holds {unknown[0]!r}, which the data set does not: it has {', '.join(features)}")
    return {key: _check_value(frame[key], feature, f"{key!r} in {where}") for key, feature in features.items()}


def _check_value(value: Any, feature: Feature, what: str) -> NDArray[Any]:
    array, shape = np.asarray(value), tuple(feature["shape"])
    if array.shape != shape:
        raise RecordError(
            f"{what} has the shape {array.shape}, the data set began with {shape}: give all frames the same size, or "
            "begin another data set"
        )
    if feature["dtype"] == "image":
        if array.dtype != np.uint8:
            raise RecordError(f"{what} has dtype {array.dtype}: give pictures (H, W, 3) uint8")
        return array
    if not (np.issubdtype(array.dtype, np.number) and np.isfinite(array).all()):
        raise RecordError(f"{what} is not finite numbers")
    return array.astype(feature["dtype"])


def check_task(task: Any, where: str) -> str:
    """Return an episode's instruction, cleaned.

    Raises:
        RecordError: it is missing or holds no word.
    """
    if not isinstance(task, str) or not task.strip():
        raise RecordError(f"{where} has no instruction: give the task in words, for example 'pick up the red cup'")
    return check_instruction(task)
