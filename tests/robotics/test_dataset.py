"""LeRobot's format v3.0: what is written is what its reader documents, and mistakes are named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fake_models import RedModel
from ivm.core.errors import DataError, OptionError, RecordError

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from ivm.robotics.dataset import DatasetWriter  # noqa: E402
from ivm.robotics.dataset_reader import DatasetReader  # noqa: E402
from ivm.robotics.features import ACTION, CAMERA, STATE, image_feature, vector_feature  # noqa: E402
from ivm.robotics.rewrite import rewrite  # noqa: E402

FEATURES = {CAMERA: image_feature(8, 8), ACTION: vector_feature(("x", "y"))}


def shot(value=0, size=8):
    return {CAMERA: np.full((size, size, 3), value, np.uint8), ACTION: np.array([value, -value], np.float32)}


def test_what_is_written_is_read(demos):
    reader = DatasetReader(demos)
    assert (len(reader), reader.frames, reader.cameras) == (2, 7, [CAMERA])
    first, second = list(reader)
    assert (first.task, second.task) == ("pick up the red cup", "pick up the duck")
    assert first.columns[CAMERA].shape == (3, 32, 32, 3)
    assert (first.columns[CAMERA][1, 12:20, 2:10] == (250, 10, 10)).all()
    np.testing.assert_allclose(second.columns[STATE][:, 0], [0, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(second.columns[ACTION][3], [-0.3] * 4)
    assert first.needed == (1,)
    assert first.ids.shape == (3, 32, 32)
    assert (first.ids[:, :4] == 255).all()


def test_files_are_as_the_format_says(demos):
    """The keys, paths and types that lerobot 0.4.4 reads (datasets/utils.py, LeRobotDatasetMetadata)."""
    import pyarrow.parquet as pq

    info = json.loads((demos / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"], info["fps"]) == (2, 7, 2, 10)
    assert info["splits"] == {"train": "0:2"}
    assert info["features"]["timestamp"] == {"dtype": "float32", "shape": [1], "names": None}
    assert info["features"][CAMERA]["dtype"] == "image"
    second = pq.read_table(demos / info["data_path"].format(chunk_index=0, file_index=1))
    assert set(second.column_names) == set(info["features"])
    assert second["index"].to_pylist() == [3, 4, 5, 6]
    assert second["frame_index"].to_pylist() == [0, 1, 2, 3]
    assert second["task_index"].to_pylist() == [1] * 4
    np.testing.assert_allclose(second["timestamp"].to_pylist(), [0, 0.1, 0.2, 0.3], rtol=1e-6)
    assert second.schema.field(STATE).type == pa.list_(pa.float32(), 5)
    picture = second[CAMERA][0].as_py()
    assert picture["bytes"].startswith(b"\x89PNG")
    assert picture["path"] is None
    episodes = pq.read_table(demos / "meta/episodes/chunk-000/file-001.parquet").to_pylist()[0]
    assert (episodes["dataset_from_index"], episodes["dataset_to_index"], episodes["length"]) == (3, 7, 4)
    assert episodes["tasks"] == ["pick up the duck"]
    assert (episodes["data/chunk_index"], episodes["data/file_index"]) == (0, 1)
    assert np.shape(episodes[f"stats/{CAMERA}/mean"]) == (3, 1, 1)


def test_pandas_reads_tasks_by_name(demos):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    tasks = pandas.read_parquet(demos / "meta/tasks.parquet")
    assert tasks.loc["pick up the duck"].task_index == 1
    assert tasks.iloc[0].name == "pick up the red cup"


def test_statistics_are_those_of_all_frames(demos):
    stats = json.loads((demos / "meta/stats.json").read_text())
    states = np.concatenate([episode.columns[STATE] for episode in DatasetReader(demos)])
    np.testing.assert_allclose(stats[STATE]["mean"], states.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(stats[STATE]["std"], states.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(stats[STATE]["max"], states.max(axis=0), rtol=1e-5)
    assert stats[STATE]["count"] == [7]
    assert all(0 <= value[0][0] <= 1 for value in stats[CAMERA]["mean"])


def test_the_hubs_own_loader_reads_pictures(demos):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    features = datasets.Features(
        {
            CAMERA: datasets.Image(),
            STATE: datasets.Sequence(length=5, feature=datasets.Value("float32")),
            ACTION: datasets.Sequence(length=4, feature=datasets.Value("float32")),
            "timestamp": datasets.Value("float32"),
            **{name: datasets.Value("int64") for name in ("frame_index", "episode_index", "index", "task_index")},
        }
    )
    paths = sorted(str(path) for path in (demos / "data").glob("*/*.parquet"))
    rows = datasets.Dataset.from_parquet(paths, features=features, cache_dir=str(demos.parent / "cache"))
    assert len(rows) == 7
    assert np.asarray(rows[1][CAMERA]).shape == (32, 32, 3)


def test_an_interrupted_run_goes_on(tmp_path):
    writer = DatasetWriter(tmp_path, FEATURES, fps=5, robot="r", episodes_a_file=1)
    for value in (1, 2):
        writer.add_frame(shot(value))
        writer.save_episode(f"task {value}")
    writer.add_frame(shot(9))  # and then the process ends
    with DatasetWriter(tmp_path, FEATURES, fps=5, robot="r", episodes_a_file=1) as again:
        assert again.episodes == 2
        again.add_frame(shot(3))
        again.save_episode("task 1")
    episodes = list(DatasetReader(tmp_path))
    assert [one.task for one in episodes] == ["task 1", "task 2", "task 1"]
    assert [one.columns[CAMERA][0, 0, 0, 0] for one in episodes] == [1, 2, 3]


def test_mistakes_in_frames_are_named(tmp_path):
    writer = DatasetWriter(tmp_path, FEATURES, fps=5, robot="r")
    writer.add_frame(shot())
    with pytest.raises(RecordError, match=r"observation.images.wrist.*observation.images.front"):
        writer.add_frame(shot() | {"observation.images.wrist": shot()[CAMERA]})
    with pytest.raises(RecordError, match=r"no 'observation.images.front'"):
        writer.add_frame({ACTION: np.zeros(2)})
    with pytest.raises(RecordError, match=r"Frame 1 of episode 0 has the shape \(9, 9, 3\).*\(8, 8, 3\)"):
        writer.add_frame(shot(size=9))
    with pytest.raises(RecordError, match="not finite"):
        writer.add_frame(shot() | {ACTION: np.array([np.nan, 0])})
    for task in ("", "  ", None):
        with pytest.raises(RecordError, match="no instruction"):
            writer.save_episode(task)
    writer.save_episode("go")
    with pytest.raises(RecordError, match="no frames"):
        writer.save_episode("go")


def test_mistakes_in_data_sets_are_named(demos, tmp_path):
    with pytest.raises(DataError, match=r"meta/info\.json"):
        DatasetReader(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no camera 'wrist'.*observation\.images\.front"):
        DatasetReader(demos).camera("wrist")
    with pytest.raises(DataError, match="other features"):
        DatasetWriter(demos, FEATURES, fps=5, robot="r")
    (demos / "data/chunk-000/file-001.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"file-001\.parquet is damaged"):
        list(DatasetReader(demos))
    info = json.loads((demos / "meta/info.json").read_text())
    for change, message in (
        ({"codebase_version": "v2.1"}, "v2.1"),
        ({"features": info["features"] | {CAMERA: {"dtype": "video", "shape": [8, 8, 3]}}}, "video"),
    ):
        (demos / "meta/info.json").write_text(json.dumps(info | change))
        with pytest.raises(DataError, match=message):
            DatasetReader(demos)


def test_a_missing_instruction_is_named(demos):
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"task_index": [0], "task": ["pick up the red cup"]}), demos / "meta/tasks.parquet")
    with pytest.raises(DataError, match=r"Episode 1 .* no instruction"):
        list(DatasetReader(demos))


def test_a_data_set_is_rewritten_with_masks(demos, tmp_path):
    seen = []
    rewrite(demos, tmp_path / "masked", RedModel(), progress=lambda done, total: seen.append((done, total)))
    before, after = list(DatasetReader(demos)), list(DatasetReader(tmp_path / "masked"))
    assert seen == [(1, 2), (2, 2)]
    for old, new in zip(before, after, strict=True):
        assert old.task == new.task
        np.testing.assert_array_equal(old.columns[ACTION], new.columns[ACTION])
    image = after[0].columns[CAMERA][0]
    assert (image[14:18, 2:6] == (250, 10, 10)).all(), "the target"
    assert (image[:3] == 90).all(), "the robot, known by its id"
    assert (image[28:] == 255).all(), "the rest"
    rewrite(demos, tmp_path / "masked", RedModel())
    assert len(DatasetReader(tmp_path / "masked")) == 2, "a second run adds nothing"


def test_a_rewrite_refuses_what_cannot_be(demos, tmp_path):
    with pytest.raises(OptionError, match="own place"):
        rewrite(demos, demos, RedModel())
    with pytest.raises(OptionError, match="soft"):
        rewrite(demos, tmp_path / "x", RedModel(), fill="soft")
    with pytest.raises(DataError, match="no camera 'top'"):
        rewrite(demos, tmp_path / "x", RedModel(), camera="top")
