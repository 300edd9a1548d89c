"""Demonstrations as a policy learns from them: masked, small, in memory; masks are made once and kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.files import write_files
from ivm.core.instruction import token_batch
from ivm.core.model import MaskModel
from ivm.data.parts import Progress, silent
from ivm.robotics.dataset_reader import DatasetReader, Episode
from ivm.robotics.features import ACTION, STATE
from ivm.robotics.fills import filled, shrunk
from ivm.robotics.recipe import Arm, RobotRecipe
from ivm.robotics.sources import make_masks


@dataclass(frozen=True)
class Frames:
    """All frames of a data set."""

    pictures: NDArray[np.uint8]
    """(N, size, size, C)."""
    table: NDArray[np.bool_]
    """(N, size, size): where the bare table is, or nowhere where that is not known."""
    states: NDArray[np.float32]
    """(N, S)."""
    chunks: NDArray[np.float32]
    """(N, K, A): this frame's action and the next ones."""
    there: NDArray[np.float32]
    """(N, K): 0 behind the end of the episode."""
    tokens: NDArray[np.int64]
    """(tasks, T, P), see `core.instruction.token_batch`."""
    task: NDArray[np.int64]
    """(N,) row of `tokens`."""


def load_frames(
    data: str | Path,
    recipe: RobotRecipe,
    arm: Arm,
    *,
    cache: str | Path,
    model: str | MaskModel | None = None,
    camera: str | None = None,
    progress: Progress = silent,
) -> Frames:
    """Read demonstrations as an arm shows them.

    Args:
        data: folder of a LeRobot data set.
        recipe: the experiment.
        arm: how pictures are masked.
        cache: folder in which masked pictures are kept; other data or another arm get a file of their own.
        model: instead of the recipe's mask model.
        camera: key of the pictures; may be left out where there is one camera.
        progress: told how many episodes are done, of how many.

    Raises:
        DataError: the data set is missing, damaged, or has no such camera.
        ModelError: the mask model failed.
        OutputError: the cache cannot be written.
    """
    reader = DatasetReader(data)
    key = reader.camera(camera)
    path = Path(cache) / f"{arm.masks}-{arm.fill}-{_digest(reader, recipe, arm, key)}.npz"
    numbers = _Numbers(recipe.network_sizes(channels=3).chunk)
    if path.is_file():
        for episode in _without_pictures(reader):
            numbers.add(episode)
        with np.load(path) as kept:
            return numbers.frames(kept["pictures"], kept["table"])
    pictures, tables = [], []
    masks = make_masks(arm.masks, model or recipe.model, every=recipe.every, others=sorted(set(reader.tasks.values())))
    for done, episode in enumerate(reader, 1):
        numbers.add(episode)
        pictures.append(_masked(episode, key, masks, recipe, arm))
        tables.append(_table(episode, recipe.picture))
        progress(done, len(reader))
    masks.close()
    shown, table = np.concatenate(pictures), np.concatenate(tables)
    buffer = io.BytesIO()
    np.savez(buffer, pictures=shown, table=table)
    write_files([(path, buffer.getvalue())])
    return numbers.frames(shown, table)


def _digest(reader: DatasetReader, recipe: RobotRecipe, arm: Arm, key: str) -> str:
    about: list[Any] = [reader.info, key, recipe.picture, recipe.every, arm.masks, arm.fill]
    about += [recipe.model if arm.masks in ("model", "wrong") else "", str(reader.root.resolve())]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]


def _without_pictures(reader: DatasetReader) -> list[Episode]:
    reader.features = {name: f for name, f in reader.features.items() if name in (STATE, ACTION)}
    return list(reader)


def _masked(episode: Episode, key: str, masks: Any, recipe: RobotRecipe, arm: Arm) -> NDArray[np.uint8]:
    masks.begin(episode.task, episode.needed, episode.number)
    rows = []
    for number, image in enumerate(episode.columns[key]):
        ids = np.zeros(image.shape[:2], np.uint8) if episode.ids is None else episode.ids[number]
        soft = masks.mask(image, ids)
        rows.append(shrunk(filled(image, soft, arm.fill), recipe.picture))
    return np.stack(rows)


def _table(episode: Episode, size: int) -> NDArray[np.bool_]:
    if episode.ids is None:
        return np.zeros((len(episode.columns[ACTION]), size, size), np.bool_)
    bare = (episode.ids == 0).astype(np.uint8) * 255
    return np.stack([cv2.resize(one, (size, size), interpolation=cv2.INTER_AREA) > 127 for one in bare])


class _Numbers:
    """Gathers what is not pictures."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._states: list[NDArray[np.float32]] = []
        self._chunks: list[NDArray[np.float32]] = []
        self._there: list[NDArray[np.float32]] = []
        self._tasks: list[str] = []

    def add(self, episode: Episode) -> None:
        actions = episode.columns[ACTION].astype(np.float32)
        rows = np.arange(len(actions))[:, None] + np.arange(self._chunk)
        self._chunks.append(actions[np.minimum(rows, len(actions) - 1)])
        self._there.append((rows < len(actions)).astype(np.float32))
        self._states.append(episode.columns[STATE].astype(np.float32))
        self._tasks += [episode.task] * len(actions)

    def frames(self, pictures: NDArray[np.uint8], table: NDArray[np.bool_]) -> Frames:
        names = sorted(set(self._tasks))
        row_of = {name: row for row, name in enumerate(names)}
        return Frames(
            pictures,
            table,
            np.concatenate(self._states),
            np.concatenate(self._chunks),
            np.concatenate(self._there),
            token_batch(names),
            np.array([row_of[task] for task in self._tasks]),
        )
