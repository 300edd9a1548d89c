import pytest

from ivm.core.errors import DataError, OptionError, OutputError
from ivm.data.journal import Journal
from ivm.data.lines import JsonLines
from ivm.data.parts import parts_of, silent, work_through


def test_entries_are_there_in_the_next_run(tmp_path):
    with Journal(tmp_path / "deep" / "j.jsonl", {"a": 1}) as journal:
        assert journal.done == set()
        journal.write(3, {"x": "é"})
        journal.write(0, [1])
        assert journal.entry(3) == {"x": "é"}
    with Journal(tmp_path / "deep" / "j.jsonl", {"a": 1}) as journal:
        assert journal.done == {0, 3}
        journal.forget(3)
        journal.write(3, "again")
    with Journal(tmp_path / "deep" / "j.jsonl", {"a": 1}) as journal:
        assert (journal.entry(0), journal.entry(3)) == ([1], "again")


def test_whatever_a_kill_leaves_of_a_journal_is_read(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path, {"a": 1}) as journal:
        journal.write(0, "first")
        journal.write(1, "second")
    whole = path.read_bytes()
    lengths = [len(line) for line in whole.splitlines(keepends=True)]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with Journal(path, {"a": 1}) as journal:
            done = [size >= sum(lengths[:2]), size >= sum(lengths)]
            assert journal.done == {part for part in (0, 1) if done[part]}
            journal.write(5, "new")
        with Journal(path, {"a": 1}) as journal:
            assert journal.entry(5) == "new"


def test_another_job_is_refused(tmp_path):
    Journal(tmp_path / "j.jsonl", {"a": 1}).close()
    with pytest.raises(OptionError, match="other settings"):
        Journal(tmp_path / "j.jsonl", {"a": 2})


def test_two_runs_at_once_are_refused(tmp_path):
    pytest.importorskip("fcntl")
    with Journal(tmp_path / "j.jsonl", {}), pytest.raises(OutputError, match="Another process"):
        Journal(tmp_path / "j.jsonl", {})
    Journal(tmp_path / "j.jsonl", {}).close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        Journal(tmp_path / "file" / "j.jsonl", {})


def double(number, part):
    return [2 * item for item in range(*part)]


def die(number, part):
    import os

    os._exit(3)


@pytest.mark.parametrize("workers", [1, 2])
def test_parts_are_done_once(tmp_path, workers):
    told = []
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        journal.write(1, "done before")
        parts = parts_of(7, 3)
        assert parts == [(0, 3), (3, 6), (6, 7)]
        work_through(double, parts, journal, workers=workers, progress=lambda *now: told.append(now))
        assert [journal.entry(number) for number in range(3)] == [[0, 2, 4], "done before", [12]]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_worker_that_is_ended_from_outside(tmp_path):
    with Journal(tmp_path / "j.jsonl", {}) as journal, pytest.raises(DataError, match="fewer --workers"):
        work_through(die, parts_of(4, 1), journal, workers=2, progress=silent)


def test_lines_by_number(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}', encoding="utf-8")
    lines = JsonLines(tmp_path / "a.jsonl")
    assert [lines[i]["a"] for i in range(len(lines))] == [1, 2]
    assert lines.where(1).endswith("a.jsonl, line 3")
