"""`make bench`: what is stored, and what counts as worse."""

from __future__ import annotations

import json

import pytest
from benchmarks._parts import PARTS
from benchmarks._quick import quick
from benchmarks._rows import RESULTS, Row, read, store

MACHINE = {"cpu": "a processor", "cores": 2}


def row(ratio, better="lower", what="a call"):
    return Row(what=what, ratio=ratio, value=3.0, unit="ms", better=better)


@pytest.mark.parametrize(
    ("better", "stored", "found", "worse"), [("lower", 2, 3, 1.5), ("lower", 2, 1, 0.5), ("higher", 0.9, 0.6, 1.5)]
)
def test_worse_is_a_higher_ratio_where_a_lower_one_is_better(better, stored, found, worse):
    assert row(found, better).worse_than(row(stored, better)) == pytest.approx(worse)


def test_what_is_stored_is_read(tmp_path):
    store("mask", [row(1.25)], date="2026-01-31", machine=MACHINE, command="c", folder=tmp_path)
    assert read("mask", tmp_path) == {"a call": row(1.25)}
    assert json.loads((tmp_path / "mask.json").read_text()) == {
        "name": "mask",
        "date": "2026-01-31",
        "machine": MACHINE,
        "command": "c",
        "rows": [{"what": "a call", "ratio": 1.25, "value": 3.0, "unit": "ms", "better": "lower"}],
    }
    assert read("data", tmp_path) == {}


def test_a_row_far_worse_than_stored_is_shown_and_strictly_an_error(tmp_path, capsys):
    assert quick(["postprocess"], MACHINE, keep=True, strict=True, results=tmp_path) == 0
    found = read("postprocess", tmp_path)
    assert len(found) == 2
    tenth = [row(one.ratio / 10, what=one.what) for one in found.values()]
    store("postprocess", tenth, date="2026-01-31", machine=MACHINE, command="c", folder=tmp_path)
    capsys.readouterr()
    assert quick(["postprocess"], MACHINE, keep=False, strict=False, results=tmp_path) == 0
    shown = capsys.readouterr().out
    assert shown.count("% worse") == 2 + 1, "each row, and the sentence below"
    assert "2 more than 20% worse than stored" in shown
    assert quick(["postprocess"], MACHINE, keep=False, strict=True, results=tmp_path) == 1


def test_a_part_that_fails_is_told_and_is_an_error(tmp_path, capsys):
    assert quick(["nothing"], MACHINE, keep=True, strict=False, results=tmp_path) == 1
    assert "nothing failed: KeyError" in capsys.readouterr().out
    assert not (tmp_path / "nothing.json").exists()


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_stored_figures_are_of_parts_that_are_there(path):
    told = json.loads(path.read_text())
    assert told["name"] == path.stem
    assert set(told["machine"]) == {"cpu", "cores"}
    assert path.stem in PARTS
    assert all(one.ratio > 0 for one in read(path.stem).values())
