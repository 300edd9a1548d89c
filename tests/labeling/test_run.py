"""A whole run in one process: what comes out, what is set aside, and that nothing is done twice."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from ivm.core.errors import LmmError, ModelError, OptionError
from ivm.core.model import Prediction
from ivm.data.shards import Shard, shards_of
from ivm.labeling.building import label_stages
from ivm.labeling.expert import ExpertSpec
from ivm.labeling.report import Report
from ivm.labeling.run import HereEngine, LabelRun
from ivm.labeling.stages import Limits
from ivm.labeling.task import ListedTasks
from ivm.labeling.writer import REJECTED, read_maker
from labeling_tasks import ColorModel, write_lines


def make_run(path, folder, *, experts=(ColorModel,), records=4, limits=None, settings=None) -> LabelRun:
    specs = [ExpertSpec(name=f"e{number}", make=make, batch=3) for number, make in enumerate(experts)]
    stages = label_stages(experts=specs, limits=limits or Limits())
    return LabelRun(
        source=ListedTasks(path), folder=folder, name="run", stages=stages, records=records, settings=settings or {}
    )


def records_of(folder):
    return [shard[index] for path in shards_of(folder) for shard in [Shard(path)] for index in range(len(shard))]


def label(run: LabelRun) -> Report:
    return run.run(HereEngine())


@pytest.fixture
def lines(tmp_path):
    """Ten good tasks; then a missing picture, a broken line, another's colour, and what no expert can answer."""
    extra = (
        {"image": "none.png", "instruction": "the red square", "uuid": "missing"},
        {"image": "0.png"},
        {"image": "0.png", "instruction": "the blue square", "uuid": "absent"},
        {"image": "0.png", "instruction": "the purple square", "uuid": "purple"},
    )
    return write_lines(tmp_path / "in", 10, extra)


def test_records_tell_who_said_what(lines, tmp_path):
    report = label(make_run(lines, tmp_path / "out"))
    records = records_of(tmp_path / "out")
    assert [record.uuid for record in records] == [f"tasks-{number}" for number in range(10)]
    first = records[0]
    assert first.instructions == ("pick up the red square, number 0",)
    assert (first.source, first.license, first.provenance.item) == ("machine", "unknown", "0.png")
    assert (first.mask > 127).sum() == 256
    assert 0.5 < first.weight <= 1
    about = read_maker(first)
    assert about["planner"] == "rules-v1"
    assert about["things"][0]["phrase"].startswith("the red square")
    assert about["agreement"]["e0"] > 0.9
    assert report.records == 10
    assert report.agreement["e0"] > 0.8


def test_what_is_doubtful_or_broken_is_told_and_not_lost(lines, tmp_path):
    report = label(make_run(lines, tmp_path / "out"))
    doubtful = records_of(tmp_path / "out" / REJECTED)
    assert [(record.uuid, read_maker(record)["rejected"]) for record in doubtful] == [("absent", "nothing found")]
    assert report.rejected == {"nothing found": 1}
    assert report.faults == {"missing-picture": 1, "instruction": 1, "record": 1}
    assert report.tasks == 14
    told = {fault["uuid"]: fault["message"] for fault in report.set_aside}
    assert "ZeroDivisionError: no colour in the purple square" in told["purple"]
    assert "none.png" in told["missing"]
    text = "\n".join(report.lines())
    assert "10 records of 14 tasks, 1 rejected, 3 set aside" in text
    assert "rejected, nothing found: 1 (7.1%)" in text
    json.dumps(report.to_json())


def test_experts_that_disagree_make_a_record_doubtful(lines, tmp_path):
    class Wrong(ColorModel):
        def predict(self, features, instructions):
            logits, presence = super().predict(features, instructions)
            return Prediction([np.roll(one, 20, axis=0) for one in logits], presence)

    report = label(make_run(lines, tmp_path / "out", experts=(ColorModel, Wrong)))
    assert report.rejected["experts disagree"] == 10


def test_a_silent_expert_is_told_and_the_others_go_on(lines, tmp_path):
    label(make_run(lines, tmp_path / "out", experts=(ColorModel, partial(Broken))))
    about = read_maker(records_of(tmp_path / "out")[0])
    assert about["silent"] == {"e1": "RuntimeError: out of order"}


class Broken(ColorModel):
    def encode(self, images):
        raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("limits", "reason"), [(Limits(smallest=0.5), "too small"), (Limits(largest=0.05), "too large")]
)
def test_limits_of_size(lines, tmp_path, limits, reason):
    assert label(make_run(lines, tmp_path / "out", limits=limits)).rejected[reason] == 10


class Stops(HereEngine):
    """Is interrupted after some parts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.did = after, 0

    def run(self, work):
        for number, entry in super().run(work):
            if self.did == self.after:
                raise KeyboardInterrupt
            self.did += 1
            yield number, entry


def test_a_run_goes_on_where_it_stopped_and_ends_with_the_same_files(lines, tmp_path):
    label(make_run(lines, tmp_path / "whole"))
    run = make_run(lines, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run.run(Stops(after=2))
    last = Stops(after=99)
    seen = []
    report = run.run(last, progress=lambda done, total: seen.append((done, total)))
    assert last.did == 2
    assert seen == [(2, 4), (3, 4), (4, 4)]
    assert report.records == 10
    for path in (tmp_path / "whole").rglob("*.tar"):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes()
    idle = Stops(after=99)
    run.run(idle)
    assert idle.did == 0


def test_a_shard_that_is_gone_is_made_again(lines, tmp_path):
    run = make_run(lines, tmp_path / "out")
    label(run)
    path = shards_of(tmp_path / "out")[1]
    path.unlink()
    again = Stops(after=99)
    run.run(again)
    assert again.did == 1
    assert path.is_file()


def test_a_name_that_no_record_may_have_is_set_aside(tmp_path):
    path = write_lines(tmp_path / "in", 1, ({"image": "0.png", "instruction": "the red square", "uuid": "../a"},))
    report = label(make_run(path, tmp_path / "out"))
    assert (report.records, report.faults) == (1, {"uuid": 1})
    assert "'../a'" in report.set_aside[0]["message"]


def test_another_job_in_the_same_folder_is_an_error(lines, tmp_path):
    label(make_run(lines, tmp_path / "out"))
    with pytest.raises(OptionError, match="another"):
        label(make_run(lines, tmp_path / "out", settings={"planner": "lmm"}))


def test_a_model_that_cannot_be_loaded_ends_the_run_with_its_own_error(lines, tmp_path):
    def unloadable():
        raise ModelError("no such weights")

    with pytest.raises(ModelError, match="no such weights"):
        label(make_run(lines, tmp_path / "out", experts=(unloadable,)))


def test_a_spent_budget_ends_the_run_and_loses_nothing():
    from ivm.core.errors import BudgetError
    from ivm.labeling.stages import PlanStage
    from labeling_tasks import make_task, tasks_batch

    class Spent:
        name = "spent"

        def plan(self, tasks):
            return [BudgetError("the budget is spent") for _ in tasks]

    with pytest.raises(LmmError, match="spent"):
        PlanStage(Spent(), ("target",))(tasks_batch([make_task()]))
