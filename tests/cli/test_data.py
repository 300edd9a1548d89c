"""`ivm data` as a person runs it; the command runs in this process, which is as good and starts much faster."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from data_sets import make_original, make_record, make_shards
from ivm.cli.main import run
from ivm.data.shards import Shard, write_shard


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("IVM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ivm(capfd):
    """Run `ivm data ...`; returns the exit code, standard output and standard error."""

    def command(*arguments):
        code = run(["data", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def test_help_names_every_command(ivm):
    code, text, _ = ivm("--help")
    assert code == 0
    for name in ("make", "convert", "validate", "stats", "show", "split", "card", "leaks", "fetch"):
        assert name in text


def test_from_the_originals_layout_to_shards_and_back(ivm, place):
    make_original(place / "mix", faults=False)
    images = ("--images", "mix/pictures")
    assert ivm("validate", "mix", *images, "-j", 1)[0] == 0
    code, out, _ = ivm("convert", "mix", *images, "-o", "shards", "-j", 1)
    assert (code, out) == (0, "7 records in 1 files: shards\n")
    assert ivm("convert", "mix", *images, "-o", "shards", "-j", 1)[1] == out, "a second run finds it done"
    code, out, _ = ivm("convert", "shards", "--to", "original", "-o", "back", "-j", 1)
    assert (code, out) == (0, "7 records in 1 files: back\n")
    assert ivm("validate", "back", "-j", 1)[0] == 0


def test_validate_names_the_planted_faults_and_fails(ivm, place):
    planted = make_original(place / "mix", faults=True)
    code, out, err = ivm("validate", "mix", "--images", "mix/pictures", "--json", "-j", 1)
    assert code == 72
    faults = [json.loads(line) for line in out.splitlines()]
    assert {fault["uuid"]: fault["kind"] for fault in faults} == planted
    assert err.startswith(f"error: {len(planted)} of 18 records are broken")


def test_convert_leaves_out_what_is_broken_and_says_so(ivm, place):
    make_original(place / "mix", faults=True)
    code, out, err = ivm("convert", "mix", "--images", "mix/pictures", "-o", "shards", "-j", 1)
    assert code == 50
    assert out.startswith("13 records in 1 files")
    assert "5 broken records were left out" in err
    assert len(json.loads((place / "shards" / "mix.faults.json").read_text())) == 5


def test_splits_are_validated_against_each_other(ivm, place):
    make_shards(place / "all" / "train", [3])
    (place / "all" / "val").mkdir()
    write_shard(place / "all" / "val" / "a.tar", [make_record(1, uuid="again")])
    code, out, _ = ivm("validate", "all", "-j", 1)
    assert code == 72
    assert out.startswith("near-duplicate: val")
    assert "(again)" in out


def test_a_leak_has_its_own_exit_code(ivm, place):
    make_shards(place / "train", [3])
    (place / "eval").mkdir()
    write_shard(place / "eval" / "a.tar", [make_record(9)])
    code, out, err = ivm("leaks", "train", "--against", "eval", "-j", 1)
    assert (code, out) == (0, "")
    assert "no picture" in err
    write_shard(place / "eval" / "b.tar", [make_record(1, uuid="e1")])
    code, out, _ = ivm("leaks", "train", "--against", "eval", "-j", 1)
    assert code == 73
    assert out.startswith("leak: r1 ")
    told = json.loads(ivm("leaks", "train", "--against", "eval", "--json", "-j", 1)[1])
    assert told["train"].startswith("r1 ")
    assert "e1" in told["evaluation"]


def test_split(ivm, place):
    make_shards(place / "all", [40])
    code, out, _ = ivm("split", "all", "-o", "parts", "--val", 0.3, "-j", 1)
    assert code == 0
    assert sum(int(line.split()[1]) for line in out.splitlines()) == 40
    assert {path.name for path in (place / "parts").iterdir()} == {"train", "val"}
    assert ivm("validate", "parts", "-j", 1)[0] == 0


def test_stats_show_and_card(ivm, place):
    make_shards(place / "a", [5])
    code, out, _ = ivm("stats", "a", "-j", 1)
    assert code == 0
    assert "records: 5\n" in out
    assert "<svg" in (place / "stats.html").read_text()
    assert json.loads(ivm("stats", "a", "--json", "-j", 1)[1])["Licence"] == {"CC-BY-4.0": 5}
    assert ivm("show", "a", "-n", 3)[1] == "samples.html\n"
    assert (place / "samples.html").read_text().count("<figure>") == 3
    assert ivm("card", "a", "--title", "Toys", "-j", 1)[0] == 0
    assert "# Toys" in (place / "a" / "README.md").read_text()


def test_make_is_the_same_at_any_number_of_processes(ivm, place):
    pytest.importorskip("numba")
    options = ("--scenes", 4, "--size", "64x48", "--records", 4, "--seed", 3)
    code, out, _ = ivm("make", "-o", "one", "-j", 1, *options)
    assert code == 0
    assert ivm("make", "-o", "two", "-j", 2, *options)[1] == out.replace("one", "two")
    one, other = ({path.name: path.read_bytes() for path in (place / name).glob("*.tar")} for name in ("one", "two"))
    assert one == other
    assert len(one) == 2
    with Shard(place / "one" / sorted(one)[0]) as shard:
        assert shard[0].mask.shape == (48, 64)
        assert np.asarray(shard[0].image).shape == (48, 64, 3)


def test_make_says_before_it_starts_that_mujoco_cannot_draw(ivm, place, monkeypatch):
    pytest.importorskip("numba")
    pytest.importorskip("mujoco")
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    code, _, err = ivm("make", "-o", "x", "--renderer", "mujoco")
    assert code == 43, err
    assert "MUJOCO_GL=vulkan is no way to draw here" in err
    assert not (place / "x").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere windows need no DISPLAY")
def test_make_says_that_a_window_needs_a_display(tmp_path):
    pytest.importorskip("numba")
    pytest.importorskip("mujoco")
    hidden = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    made = subprocess.run(
        [sys.executable, "-m", "ivm", "data", "make", "-o", tmp_path / "x", "--renderer", "mujoco"],
        env=hidden | {"MUJOCO_GL": "glfw"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 43, made.stderr
    assert made.stderr.startswith("error: MuJoCo cannot draw with MUJOCO_GL=glfw")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("convert", "nothing", "-o", "x"), 13, "no file or folder 'nothing'"),
        (("make", "-o", "x", "--size", "big"), 12, "--size must be"),
        (("fetch", "everything"), 12, "there is ivm-mix-1m"),
        (("fetch", "ivm-mix-1m", "--part", "cats"), 12, "no part 'cats'"),
        (("split", "nothing", "-o", "x", "--val", "0"), 12, "shares of val and test"),
        (("validate", "nothing"), 13, "check the path"),
        (("validate", "empty"), 13, "--layout"),
        (("convert", "empty", "--layout", "shards", "-o", "x"), 71, "holds no shard"),
        (("convert", "shards", "-o", "x", "--images", "coco=gone", "--layout", "original"), 12, "is no folder"),
        (("card", "shards/toys-000000.tar"), 12, "say where with -o FILE"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_code(ivm, place, arguments, code, told):
    if arguments[0] == "make":
        pytest.importorskip("numba")
    make_shards(place / "shards", [1])
    (place / "empty").mkdir()
    got, _, err = ivm(*arguments)
    assert got == code, err
    assert told in err
    assert "Traceback" not in err
    assert not (place / "x").exists()


def test_fetch_without_a_network_says_what_to_put_where(ivm, place, monkeypatch):
    pytest.importorskip("huggingface_hub")
    code = "import sys; from ivm.cli.main import run; sys.exit(run(['data', 'fetch', 'ivm-mix-1m', '--part', 'human']))"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 74, done.stderr
    assert "put HumanLabelData.zip of the data set 2toINF/IVM-Mix-1M into 'ivm-mix-1m' yourself" in done.stderr
    assert "Traceback" not in done.stderr
