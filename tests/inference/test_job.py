from __future__ import annotations

import json
from contextlib import closing

import pytest
from PIL import Image

from fake_models import RedModel, red_at
from ivm.core.errors import OutputError, RecordError
from ivm.inference.job import Job
from ivm.inference.masker import Masker
from ivm.inference.store import Settings
from ivm.inference.tasks import BadTask, Task


def settings(**changes):
    content = {"style": {"dilate_kernel_size": 1}, "pictures": ["soft"], "model": "red", "version": "1"}
    return Settings(**content | changes)


@pytest.fixture
def model():
    return RedModel()


@pytest.fixture
def tasks(tmp_path):
    for x in range(5):
        Image.fromarray(red_at(x)).save(tmp_path / f"{x}.png")
    return [Task(id=f"t{x}", image=tmp_path / f"{x}.png", instruction="cup") for x in range(5)]


def run(model, tasks, output, **options):
    wanted = options.pop("settings", settings())
    return list(Job(Masker(model), output, wanted, batch_size=2, **options).run(tasks))


def states(outcomes):
    return {outcome.id: outcome.state for outcome in outcomes}


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_task_gets_its_folder_and_its_line(model, tasks, tmp_path):
    assert set(states(run(model, tasks, tmp_path / "out")).values()) == {"done"}
    assert [row["id"] for row in rows(tmp_path / "out" / "results.jsonl")] == ["t0", "t1", "t2", "t3", "t4"]
    row = rows(tmp_path / "out" / "results.jsonl")[3]
    assert row["target_bbox"] == [3, 0, 4, 8]
    assert row["folder"] == str(tmp_path / "out" / "t3")
    assert sorted(path.name for path in (tmp_path / "out" / "t3").iterdir()) == ["soft.png", "summary.json"]
    assert not (tmp_path / "out" / "failures.jsonl").exists()


def test_a_second_run_asks_only_what_is_missing(model, tasks, tmp_path):
    run(model, tasks[:3], tmp_path / "out")
    first = (tmp_path / "out" / "results.jsonl").read_text()
    model.asked.clear()
    assert list(states(run(model, tasks, tmp_path / "out")).values()).count("skipped") == 3
    assert sum(map(len, model.asked)) == 2
    assert (tmp_path / "out" / "results.jsonl").read_text().startswith(first)


@pytest.mark.parametrize(
    "changes",
    [{"threshold": 0.7}, {"style": {}}, {"pictures": ["hard"]}, {"model": "other"}, {"version": "2"}],
)
def test_other_settings_are_done_again(model, tasks, tmp_path, changes):
    run(model, tasks, tmp_path / "out")
    assert set(states(run(model, tasks, tmp_path / "out", settings=settings(**changes))).values()) == {"done"}
    assert set(states(run(model, tasks, tmp_path / "out", settings=settings(**changes))).values()) == {"skipped"}


def test_overwrite_does_all_again(model, tasks, tmp_path):
    run(model, tasks, tmp_path / "out")
    assert set(states(run(model, tasks, tmp_path / "out", overwrite=True)).values()) == {"done"}


def test_failures_are_told_apart(model, tasks, tmp_path):
    tasks[1].image.write_text("no picture")
    tasks[2].image.unlink()
    bad = BadTask(id="line 9", error=RecordError("no task"))
    outcomes = run(model, [*tasks, bad], tmp_path / "out")
    assert states(outcomes) == {
        "t0": "done", "t1": "failed", "t2": "failed", "t3": "done", "t4": "done", "line 9": "failed"
    }  # fmt: skip
    failures = rows(tmp_path / "out" / "failures.jsonl")
    assert [row["error"] for row in failures] == ["ImageFormatError", "ImageNotFoundError", "RecordError"]
    assert failures[0]["image"] == str(tasks[1].image)
    Image.fromarray(red_at(1)).save(tasks[1].image)
    Image.fromarray(red_at(2)).save(tasks[2].image)
    assert set(states(run(model, tasks, tmp_path / "out")).values()) == {"done", "skipped"}
    assert not (tmp_path / "out" / "failures.jsonl").exists()


def test_a_run_that_is_left_keeps_whole_results(model, tasks, tmp_path):
    with closing(Job(Masker(model), tmp_path / "out", settings(), batch_size=1).run(tasks)) as outcomes:
        first = next(outcomes)
    assert first.id == "t0"
    assert [row["id"] for row in rows(tmp_path / "out" / "results.jsonl")] == ["t0"]
    for folder in (tmp_path / "out").glob("*/"):
        assert sorted(path.name for path in folder.iterdir()) == ["soft.png", "summary.json"]


def test_an_output_that_cannot_be_written_stops_the_run(model, tasks, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "t1").write_text("in the way")
    with pytest.raises(OutputError, match="t1"):
        run(model, tasks * 1, tmp_path / "out")
    assert (tmp_path / "out" / "t1").read_text() == "in the way"
    assert not list((tmp_path / "out").glob(".ivm-*"))
