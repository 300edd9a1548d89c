"""Writes demonstrations as a LeRobot data set, format v3.0, with pyarrow alone; goes on where it stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import DataError, OptionError, RecordError
from ivm.core.extras import optional
from ivm.core.files import write_files
from ivm.robotics.dataset_stats import QUANTILES, Stats, stats_of, together
from ivm.robotics.features import VERSION, Feature, check_frame, check_task, with_counted

CHUNK = 1000
"""Files a folder."""

DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
SEGMENTATION = "segmentation/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
"""Beside the format, which knows no such thing: ids of things by frame, for masks that are known to be true."""


def place(pattern: str, number: int) -> str:
    """Return the path of file `number`, below the data set's folder."""
    return pattern.format(chunk_index=number // CHUNK, file_index=number % CHUNK)


class DatasetWriter:
    """Adds episodes to a data set; files are written whole, each with `episodes_a_file` episodes.

    Use it in a `with` block: at its end the last episodes and the index are written. A folder in which an earlier
    run was interrupted keeps its whole files: `episodes` says how many episodes are there already.

    Args:
        root: folder of the data set.
        features: see `features.image_feature` and `features.vector_feature`.
        fps: frames a second.
        robot: name of the robot.
        episodes_a_file: episodes in one parquet file.

    Raises:
        DataError: the folder holds a data set of other features, or a damaged one.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(
        self, root: str | Path, features: Mapping[str, Feature], *, fps: int, robot: str, episodes_a_file: int = 50
    ) -> None:
        if fps < 1 or episodes_a_file < 1:
            raise OptionError(f"fps and episodes_a_file must be at least 1, not {fps} and {episodes_a_file}")
        self._arrow, self._parquet = optional("pyarrow", extra="robot"), optional("pyarrow.parquet", extra="robot")
        self.root, self.features, self.fps, self.robot = Path(root), dict(features), fps, robot
        self._a_file = episodes_a_file
        self._frames: list[dict[str, NDArray[Any]]] = []
        self._ids: list[NDArray[np.uint8]] = []
        self._rows: list[dict[str, Any]] = []
        self._waiting: list[tuple[dict[str, Any], Any, Any]] = []
        self._tasks: dict[str, int] = {}
        self._recall()

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()

    def _recall(self) -> None:
        """Take over whole files of an earlier run."""
        info = self.root / "meta" / "info.json"
        if info.is_file():
            try:
                kept = json.loads(info.read_text(encoding="utf-8"))["features"]
            except (ValueError, KeyError, TypeError):
                raise DataError(f"{info} is damaged: delete the data set and write it again") from None
            if kept != with_counted(self.features):
                raise DataError(f"{self.root} holds a data set of other features: choose another folder")
        while (path := self.root / place(EPISODES, self._files)).is_file():
            try:
                self._rows += self._parquet.read_table(path).to_pylist()
            except self._arrow.ArrowException as error:
                raise DataError(f"{path} is damaged ({error}): delete the data set and write it again") from error
            for row in self._rows:
                for task in row["tasks"]:
                    self._tasks.setdefault(task, len(self._tasks))

    @property
    def _files(self) -> int:
        numbers = (CHUNK * row["data/chunk_index"] + row["data/file_index"] for row in self._rows)
        return max(numbers, default=-1) + 1

    @property
    def episodes(self) -> int:
        """Number of episodes so far, those of earlier runs among them."""
        return len(self._rows) + len(self._waiting)

    def add_frame(self, frame: Mapping[str, Any], *, ids: NDArray[np.uint8] | None = None) -> None:
        """Add a frame to the episode that is being written.

        Args:
            frame: an array for each feature.
            ids: (H, W) uint8 ids of things, if they are known; for all frames of an episode or for none.

        Raises:
            RecordError: a key is missing or unknown, or an array is of another shape than in the frames before.
        """
        where = f"Frame {len(self._frames)} of episode {self.episodes}"
        self._frames.append(check_frame(frame, self.features, where))
        if ids is not None:
            self._ids.append(np.asarray(ids, np.uint8))

    def drop_episode(self) -> None:
        """Forget the frames added since the last episode."""
        self._frames, self._ids = [], []

    def save_episode(self, task: str, *, needed: tuple[int, ...] = ()) -> None:
        """End an episode.

        Args:
            task: its instruction.
            needed: ids of the things that the instruction needs.

        Raises:
            RecordError: there is no instruction, or no frame.
            OutputError: the folder cannot be written.
        """
        where = f"Episode {self.episodes}"
        task = check_task(task, where)
        if not self._frames:
            raise RecordError(f"{where} has no frames: add some before it is saved")
        number, length, first = self.episodes, len(self._frames), self._total_frames()
        task_index = self._tasks.setdefault(task, len(self._tasks))
        columns = self._columns(number, first, task_index)
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [task],
            "length": length,
            "dataset_from_index": first,
            "dataset_to_index": first + length,
        }
        for key, stats in self._stats().items():
            row |= {f"stats/{key}/{name}": value.tolist() for name, value in stats.items()}
        side = None
        if self._ids:
            side = self._arrow.table(
                {
                    "index": np.arange(first, first + length),
                    "png": [encode_png(one) for one in self._ids],
                    "needed": [list(needed)] * length,
                }
            )
        self._waiting.append((row, columns, side))
        self.drop_episode()
        if len(self._waiting) >= self._a_file:
            self._flush()

    def _total_frames(self) -> int:
        last = self._waiting[-1][0] if self._waiting else (self._rows[-1] if self._rows else None)
        return 0 if last is None else int(last["dataset_to_index"])

    def _stats(self) -> dict[str, Stats]:
        return {
            key: stats_of(np.stack([frame[key] for frame in self._frames]), image=feature["dtype"] == "image")
            for key, feature in self.features.items()
        }

    def _columns(self, number: int, first: int, task_index: int) -> Any:
        """Build the episode's rows as an Arrow table."""
        arrow, length = self._arrow, len(self._frames)
        columns: dict[str, Any] = {}
        for key, feature in self.features.items():
            values = [frame[key] for frame in self._frames]
            if feature["dtype"] == "image":
                kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
                rows: list[Any] = [{"bytes": encode_png(value), "path": None} for value in values]
            else:
                number_type = arrow.from_numpy_dtype(feature["dtype"])
                size = feature["shape"][0]
                kind = number_type if size == 1 else arrow.list_(number_type, size)
                rows = [value.item() if size == 1 else value.tolist() for value in values]
            columns[key] = arrow.array(rows, kind)
        frame = np.arange(length)
        columns["timestamp"] = arrow.array((frame / self.fps).astype(np.float32))
        columns["frame_index"] = arrow.array(frame)
        columns["episode_index"] = arrow.array(np.full(length, number))
        columns["index"] = arrow.array(first + frame)
        columns["task_index"] = arrow.array(np.full(length, task_index))
        return arrow.table(columns)

    def _flush(self) -> None:
        """Write the waiting episodes as one file; the row of episodes last, by which the file counts as whole."""
        if not self._waiting:
            return
        file = self._files
        rows = []
        for row, _, _ in self._waiting:
            row |= {"data/chunk_index": file // CHUNK, "data/file_index": file % CHUNK}
            row |= {"meta/episodes/chunk_index": file // CHUNK, "meta/episodes/file_index": file % CHUNK}
            rows.append(row)
        tables = [(DATA, self._arrow.concat_tables([table for _, table, _ in self._waiting]))]
        sides = [side for _, _, side in self._waiting if side is not None]
        if sides:
            tables.append((SEGMENTATION, self._arrow.concat_tables(sides)))
        tables.append((EPISODES, self._arrow.Table.from_pylist(rows)))
        write_files((self.root / place(pattern, file), self._bytes(table)) for pattern, table in tables)
        self._rows += rows
        self._waiting = []

    def _bytes(self, table: Any) -> bytes:
        buffer = io.BytesIO()
        self._parquet.write_table(table, buffer, compression="snappy")
        return buffer.getvalue()

    def finish(self) -> None:
        """Write what is left, and the index: info, statistics and tasks.

        Raises:
            DataError: frames were added after the last episode was saved, or there is no episode.
            OutputError: the folder cannot be written.
        """
        if self._frames:
            raise DataError(f"{len(self._frames)} frames belong to no episode: call save_episode or drop_episode")
        self._flush()
        if not self._rows:
            raise DataError(f"The data set {self.root} has no episode: save one before it is finished")
        stats = {}
        for key in self.features:
            names = ("min", "max", "mean", "std", "count", *QUANTILES)
            parts = [{name: row[f"stats/{key}/{name}"] for name in names} for row in self._rows]
            stats[key] = {name: value.tolist() for name, value in together(parts).items()}
        meta = self.root / "meta"
        write_files(
            [
                (meta / "tasks.parquet", self._bytes(self._task_table())),
                (meta / "stats.json", json.dumps(stats, indent=1).encode()),
                (meta / "info.json", json.dumps(self._info(), indent=2).encode()),
            ]
        )

    def _task_table(self) -> Any:
        """Tasks with their numbers, the task being the index when pandas reads it."""
        table = self._arrow.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        column = {
            "field_name": "task",
            "name": "task",
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": None,
        }
        other = {
            **column,
            "field_name": "task_index",
            "name": "task_index",
            "pandas_type": "int64",
            "numpy_type": "int64",
        }
        about = {"index_columns": ["task"], "columns": [other, column], "column_indexes": [], "pandas_version": "2.2.0"}
        return table.replace_schema_metadata({"pandas": json.dumps(about)})

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": self.robot,
            "total_episodes": len(self._rows),
            "total_frames": self._total_frames(),
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{len(self._rows)}"},
            "data_path": DATA,
            "video_path": None,
            "features": with_counted(self.features),
        }


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode (H, W) or (H, W, 3) uint8 RGB as PNG."""
    pixels = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
