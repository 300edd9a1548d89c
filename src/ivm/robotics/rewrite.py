"""Rewrites a LeRobot data set with masked pictures, so that any policy learns from what it will see."""

from __future__ import annotations

from pathlib import Path

from ivm.core.errors import OptionError
from ivm.core.model import MaskModel
from ivm.data.parts import Progress, silent
from ivm.robotics.dataset import DatasetWriter
from ivm.robotics.dataset_reader import DatasetReader, Episode
from ivm.robotics.eye import ROBOT
from ivm.robotics.fills import Fill, check_fill, filled
from ivm.robotics.stream import MaskStream


def rewrite(
    source: str | Path,
    output: str | Path,
    model: MaskModel,
    *,
    camera: str | None = None,
    fill: Fill = "white",
    every: int = 1,
    threshold: float = 0.5,
    robot: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a data set anew, the pictures of one camera masked by each episode's task.

    Args:
        source: folder of a data set, format v3.0, whose pictures are inside its parquet files.
        output: folder of the new one; a run that was interrupted goes on.
        model: any mask model.
        camera: key of the pictures; may be left out where there is one camera.
        fill: what replaces the rest; not "soft", which the format has no place for.
        every: frames from one question to the model to the next.
        threshold: in [0, 1].
        robot: an instruction that finds the robot; a data set with ids of things keeps the robot by these.
        progress: told how many episodes are done, of how many.

    Returns:
        The new folder.

    Raises:
        DataError: the source is no such data set, or has no such camera.
        OptionError: an argument is out of range, or both folders are the same.
        ModelError: the model failed.
        OutputError: the folder cannot be written.
    """
    if check_fill(fill) == "soft":
        raise OptionError(
            "The fill 'soft' needs a fourth channel, which pictures in a data set do not have: use another"
        )
    if Path(source).resolve() == Path(output).resolve():
        raise OptionError(f"The data set {source} cannot be rewritten in its own place: choose another folder")
    reader = DatasetReader(source)
    key = reader.camera(camera)
    info = reader.info
    stream = MaskStream(model, every=every, deadline=None, threshold=threshold, robot=robot)
    with stream, DatasetWriter(output, reader.features, fps=info["fps"], robot=info["robot_type"] or "") as writer:
        done = writer.episodes
        for episode in reader:
            if episode.number < done:
                continue
            _copy(episode, key, stream, fill, writer)
            progress(writer.episodes, len(reader))
    return Path(output)


def _copy(episode: Episode, key: str, stream: MaskStream, fill: Fill, writer: DatasetWriter) -> None:
    stream.reset(episode.task)
    for number in range(len(episode.columns[key])):
        frame = {name: values[number] for name, values in episode.columns.items()}
        ids = None if episode.ids is None else episode.ids[number]
        kept = stream(frame[key], robot=None if ids is None else ids == ROBOT)
        frame[key] = filled(frame[key], kept.mask, fill, stream.threshold)
        writer.add_frame(frame, ids=ids)
    writer.save_episode(episode.task, needed=episode.needed)
