"""Reads a LeRobot data set, format v3.0, whose pictures are inside its parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import DataError
from ivm.core.extras import optional
from ivm.core.model import RGBImage
from ivm.robotics.features import COUNTED, VERSION, Feature


@dataclass(frozen=True)
class Episode:
    """One demonstration of T frames."""

    number: int
    task: str
    columns: dict[str, NDArray[Any]]
    """By feature: (T, H, W, 3) uint8 for pictures, (T, n) for vectors, (T,) for single numbers."""
    ids: NDArray[np.uint8] | None
    """(T, H, W) uint8 ids of things, where the data set has them."""
    needed: tuple[int, ...]
    """Ids of the things that the task needs."""


class DatasetReader:
    """A data set in a folder.

    Raises:
        DataError: the folder holds none, one of another version, or a damaged one.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, root: str | Path) -> None:
        self._arrow, self._parquet = optional("pyarrow", extra="robot"), optional("pyarrow.parquet", extra="robot")
        self.root = Path(root)
        self.info = self._read_info()
        counted = set(COUNTED)
        self.features: dict[str, Feature] = {k: f for k, f in self.info["features"].items() if k not in counted}
        self._check_features()
        tasks = self._table(self.root / "meta" / "tasks.parquet").to_pylist()
        self.tasks = {int(row["task_index"]): str(row.get("task", row.get("__index_level_0__"))) for row in tasks}

    def _read_info(self) -> dict[str, Any]:
        path = self.root / "meta" / "info.json"
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise DataError(f"{self.root} is no LeRobot data set: it has no meta/info.json") from None
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}") from None
        if not isinstance(info, dict) or info.get("codebase_version") != VERSION:
            version = info.get("codebase_version") if isinstance(info, dict) else None
            raise DataError(
                f"{self.root} is of format {version!r}, not {VERSION!r}: convert it with LeRobot's own tools"
            )
        if not isinstance(info.get("features"), dict):
            raise DataError(f"{path} is damaged: it names no features")
        return info

    def _check_features(self) -> None:
        if videos := [key for key, feature in self.features.items() if feature["dtype"] == "video"]:
            raise DataError(f"{self.root} keeps {videos[0]!r} as video: record it with use_videos=False instead")

    @property
    def cameras(self) -> list[str]:
        """Keys of the pictures."""
        return [key for key, feature in self.features.items() if feature["dtype"] == "image"]

    def camera(self, wanted: str | None = None) -> str:
        """Return the key of a camera: the one wanted, or the only one.

        Raises:
            DataError: there is none of that key, or there are several to choose from.
        """
        known = ", ".join(map(repr, self.cameras)) or "none"
        if wanted is None and len(self.cameras) != 1:
            raise DataError(f"{self.root} has {len(self.cameras)} cameras: say which one, of {known}")
        chosen = self.cameras[0] if wanted is None else wanted
        if chosen not in self.cameras:
            raise DataError(f"{self.root} has no camera {chosen!r}: it has {known}")
        return chosen

    @property
    def frames(self) -> int:
        """Number of all frames."""
        return int(self.info["total_frames"])

    def __len__(self) -> int:
        return int(self.info["total_episodes"])

    def __iter__(self) -> Iterator[Episode]:
        """Yield all episodes in order, one file in memory at a time.

        Raises:
            DataError: a file is missing or damaged, or an episode has no instruction.
        """
        for path in sorted((self.root / "data").glob("chunk-*/file-*.parquet")):
            yield from self._episodes(path)

    def _episodes(self, path: Path) -> Iterator[Episode]:
        table = self._table(path)
        if missing := [key for key in (*self.features, "episode_index", "task_index") if key not in table.column_names]:
            raise DataError(f"{path} has no column {missing[0]!r}, which meta/info.json names")
        side_path = self.root / "segmentation" / path.parent.name / path.name
        side = self._table(side_path) if side_path.is_file() else None
        numbers = table["episode_index"].to_numpy()
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            part = table.slice(int(rows[0]), len(rows))
            index = int(part["task_index"][0].as_py())
            task = self.tasks.get(index)
            if not task or not task.strip():
                raise DataError(
                    f"Episode {number} of {self.root} has no instruction: meta/tasks.parquet lacks task {index}"
                )
            columns = {key: self._column(part, key, f"episode {number} of {path}") for key in self.features}
            ids, needed = _side(side, int(rows[0]), len(rows))
            yield Episode(int(number), task, columns, ids, needed)

    def _column(self, table: Any, key: str, where: str) -> NDArray[Any]:
        feature = self.features[key]
        values = table[key].to_pylist()
        if feature["dtype"] != "image":
            return np.array(values, feature["dtype"])
        shape = tuple(feature["shape"])
        pictures = []
        for number, value in enumerate(values):
            picture = decode_picture(value["bytes"] if value else None, f"{key!r} in frame {number} of {where}")
            if picture.shape != shape:
                raise DataError(
                    f"{key!r} in frame {number} of {where} has the shape {picture.shape}, the data set says {shape}: "
                    "record the episode again with one size"
                )
            pictures.append(picture)
        return np.stack(pictures)

    def _table(self, path: Path) -> Any:
        try:
            return self._parquet.read_table(path)
        except FileNotFoundError:
            raise DataError(f"The data set lacks {path}") from None
        except (self._arrow.ArrowException, OSError) as error:
            raise DataError(f"{path} is damaged: {error}") from error


def _side(side: Any, first: int, length: int) -> tuple[NDArray[np.uint8] | None, tuple[int, ...]]:
    if side is None:
        return None, ()
    part = side.slice(first, length)
    ids = [cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) for png in part["png"].to_pylist()]
    return np.stack([np.asarray(one, np.uint8) for one in ids]), tuple(part["needed"][0].as_py())


def decode_picture(code: bytes | None, where: str) -> RGBImage:
    """Decode an (H, W, 3) uint8 RGB picture.

    Raises:
        DataError: there are no bytes, or they are no picture.
    """
    image = None if not code else cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{where} is not a picture")
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])
