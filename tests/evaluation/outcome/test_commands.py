"""`ivm eval lmm`, `render` and `diff` as a user types them, and a run that is killed."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from typer.testing import CliRunner

from evaluation.colour_lmm import answer
from evaluation.squares import write_squares
from fake_lmm import FakeLmm, running
from ivm.cli.app import app
from ivm.core.errors import OptionError, RecordError


def invoke(*arguments):
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


@pytest.fixture
def squares(tmp_path):
    """The toy mask model knows red, green and blue, if the question names them."""
    folder = write_squares(tmp_path / "squares")
    listing = folder / "test_questions.jsonl"
    text = listing.read_text()
    for number in range(6):
        text = text.replace(f"of square {number}", f"of the {('red', 'green', 'blue')[number % 3]} square {number}")
    listing.write_text(text)
    return folder


def line(squares, lmm, toy_nano, out):
    options = ["--model", toy_nano, "--view", "highlight", "--control", "random", "--retries", 0, "--concurrency", 1]
    return ["lmm", "vstar", squares, "--url", lmm.base_url, "--lmm", "fake", "-o", out, *options]


def test_a_benchmark_is_asked_and_two_reports_compare(squares, toy_nano, tmp_path):
    with running(FakeLmm(answer)) as lmm:
        first = invoke(*line(squares, lmm, toy_nano, tmp_path / "a"))
        assert first.exit_code == 0, first.output
        asked = len(lmm.asked)
        again = invoke(*line(squares, lmm, toy_nano, tmp_path / "a"))
        assert again.exit_code == 0
        assert len(lmm.asked) == asked, "nothing is asked twice"
        part = invoke(*line(squares, lmm, toy_nano, tmp_path / "b"), "--limit", 3)
    assert first.stdout.splitlines()[-1] == str(tmp_path / "a" / "report.html")
    told = json.loads((tmp_path / "a" / "report.json").read_text())
    assert set(told["origin"]["mask_model"]["weights"]) == {"encoder.onnx", "predictor.onnx"}
    assert told["origin"]["usage"]["calls"] == asked or told["origin"]["times"]["outcomes_of_earlier_runs"] == 18
    assert part.exit_code == 0
    diff = invoke("diff", tmp_path / "a", tmp_path / "b")
    assert diff.exit_code == 0, diff.output
    assert "highlight/random" in diff.stdout
    assert "sha256_questions" in diff.stdout
    compared = json.loads(invoke("diff", tmp_path / "a", tmp_path / "b", "--json").stdout)
    assert [one["first"] for one in compared["comparisons"]] == ["raw", "highlight", "highlight/random"]
    assert not compared["same_questions"]
    with running(FakeLmm(answer)) as lmm:
        printed = invoke(*line(squares, lmm, toy_nano, tmp_path / "a"), "--json")
    assert {one["arm"] for one in json.loads(printed.stdout)["arms"]} == {"raw", "highlight", "highlight/random"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--view", "zoom"], OptionError),
        (["--control", "placebo"], OptionError),
        (["--max-cost", "1"], OptionError),
        (["--prices", "cheap"], OptionError),
        (["--threshold", "2"], ValueError),
    ],
)
def test_a_mistake_is_named(squares, toy_nano, tmp_path, options, error):
    done = invoke(
        "lmm", "vstar", squares, "--url", "http://127.0.0.1:9/v1", "--lmm", "x", "-o", tmp_path / "o",
        "--model", toy_nano, *options,
    )  # fmt: skip
    assert isinstance(done.exception, error), done.output


def test_a_benchmark_that_is_not_there_is_named(tmp_path, toy_nano):
    done = invoke("lmm", "vstar", tmp_path / "no", "--url", "http://x/v1", "--lmm", "x", "-o", tmp_path / "o")
    assert isinstance(done.exception, RecordError)


def test_a_killed_run_goes_on_and_asks_nothing_twice(squares, toy_nano, tmp_path):
    """The process is killed while a question is on its way: no question that was answered is asked again."""
    held = threading.Event()

    def hang_at_ten(asked):
        if asked.number == 9:
            held.set()
            lmm.closing.wait(250)
        return answer(asked)

    with running(FakeLmm(hang_at_ten)) as lmm:
        arguments = [str(one) for one in line(squares, lmm, toy_nano, tmp_path / "out")]
        child = subprocess.Popen(
            [sys.executable, "-m", "ivm", "eval", *arguments], stderr=subprocess.PIPE, env={**os.environ}
        )
        assert held.wait(200)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stderr.close()
        before = [json.dumps(one.body, sort_keys=True) for one in lmm.asked]
    with running(FakeLmm(answer)) as lmm:
        arguments[arguments.index("--url") + 1] = lmm.base_url
        # Another address is another trial; its answers are found by what is asked.
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
        after = [json.dumps(one.body, sort_keys=True) for one in lmm.asked]
    assert len(before) == 10
    assert not set(before[:9]) & set(after), "the first nine were answered"
    assert len({*before, *after}) == len(before) + len(after) - 1, "only the one on its way is asked again"


def test_render_writes_a_benchmark(tmp_path):
    pytest.importorskip("numba", reason="tables are rendered with numba")
    done = invoke("render", "-o", tmp_path / "bench", "--questions", 1)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "bench" / "test_questions.jsonl").is_file()


def mask_report(folder, name, rows, **changes):
    told = {"model": name, "weights": {}, "threshold": 0.5, "total": {}, "scores": rows} | changes
    (folder / name).write_text(json.dumps(told))
    return folder / name


def test_reports_about_masks_compare_by_iou_and_pointing(tmp_path):
    rows = [{"id": str(n), "group": str(n), "iou": 0.25, "hit": None if n == 3 else 1.0} for n in range(4)]
    first = mask_report(tmp_path, "a.json", rows)
    second = mask_report(tmp_path, "b.json", [row | {"iou": 0.5} for row in rows])
    done = invoke("diff", first, second)
    assert done.exit_code == 0, done.output
    table = {line.split()[0]: line.split()[1:5] for line in done.stdout.splitlines() if line.strip()}
    assert table["IoU"] == ["4", "0.250", "0.500", "+0.250"]
    assert table["pointing"] == ["3", "1.000", "1.000", "+0.000"]
    assert table["model"] == ["a.json", "b.json"]


def test_a_report_about_masks_without_scores_is_named(tmp_path):
    broken = mask_report(tmp_path, "a.json", [{"id": "1"}])
    done = invoke("diff", broken, broken)
    assert isinstance(done.exception, RecordError)
    assert "lacks scores" in str(done.exception)
