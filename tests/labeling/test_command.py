"""`ivm label` as a person types it, in one process; on Ray it is tested in test_on_ray.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ivm.data.coding import encode_picture
from ivm.data.record import Record
from ivm.data.shards import Shard, write_shard
from labeling_tasks import COLORS, square, write_lines


@pytest.fixture
def label(tmp_path):
    def run(*arguments: str):
        return subprocess.run(
            [sys.executable, "-m", "ivm", "label", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"},
        )

    return run


@pytest.fixture
def recipe(tmp_path, toy_nano):
    write_lines(tmp_path, 6)
    text = f"source: {{path: tasks.jsonl}}\noutput: out\nexperts: [{{name: toy, model: {toy_nano}}}]\nengine: here\n"
    (tmp_path / "r.yaml").write_text(text)
    return tmp_path / "r.yaml"


def test_a_recipe_is_labelled_reviewed_and_exported(label, recipe, tmp_path):
    done = label(recipe)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("6 records of 6 tasks, 0 rejected, 0 set aside")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["records"] == 6
    (tmp_path / "out" / "review.jsonl").write_text(
        '{"uuid": "tasks-0", "decision": "reject", "by": "Ann", "at": "2026-01-01T00:00:00Z"}\n'
        '{"uuid": "tasks-1", "decision": "keep", "by": "Ann", "at": "2026-01-01T00:00:00Z"}\n'
    )
    exported = label("review", "out", "--export", "set")
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout.startswith("5 records in set")
    again = label(recipe)
    assert again.stdout.splitlines()[0] == done.stdout.splitlines()[0]
    told = json.loads(label("run", recipe, "--json").stdout)
    assert (told["records"], told["folder"]) == (6, str(tmp_path / "out"))


def test_experts_are_calibrated_on_labelled_pictures(label, recipe, tmp_path):
    known = []
    for number in range(12):
        color = list(COLORS)[number % 3]
        image = square(color, number)
        known.append(
            Record.of(
                uuid=f"k{number}",
                image=encode_picture(image, "png"),
                mask=(image == COLORS[color]).all(axis=2),
                instructions=[f"the {color} square"],
                source="human",
                license="CC0-1.0",
            )
        )
    write_shard(tmp_path / "known.tar", known)
    done = label("calibrate", recipe, "--on", "known.tar", "-o", "c.json")
    assert done.returncode == 0, done.stderr
    assert "toy: weight" in done.stdout
    recipe.write_text(recipe.read_text() + "calibration: c.json\n")
    assert label(recipe, "-o", "other").stdout.startswith("6 records")


def test_a_video_is_labelled(label, toy_nano, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(4):
        (frames / f"{number}.png").write_bytes(encode_picture(square("red", number), "png"))
    done = label("video", "frames", "the red square", "-o", "out", "--model", str(toy_nano))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 records of 4 frames")
    with Shard(tmp_path / "out" / "frames.tar") as shard:
        assert np.count_nonzero(shard[0].mask) > 100


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["none.yaml"], 61, "No recipe can be read"),
        (["review", "none"], 71, "holds no shard"),
        (["video", "none", "the cup", "-o", "x", "--model", "ivm-nan"], 40, "ivm-nan"),
        (["calibrate", "r.yaml", "--on", "none"], 13, "none"),
    ],
)
def test_mistakes_get_a_sentence(label, recipe, arguments, code, told):
    done = label(*arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_there(label):
    assert "review" in label("--help").stdout
    assert "RECIPE" in label("run", "--help").stdout
