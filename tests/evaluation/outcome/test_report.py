"""The report of a trial: what it says, how it opens, and what two of them have in common."""

import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from data_sets import make_shards
from evaluation.colour_lmm import answer
from evaluation.squares import trial_of, write_squares
from fake_lmm import FakeLmm, Mishaps, running
from ivm.core.errors import LeakError, RecordError
from ivm.data.record import Record
from ivm.data.shards import write_shard
from ivm.data.sources.shards import ShardSource
from ivm.data.survey import Survey
from ivm.evaluation.outcome.difference import difference, read_report
from ivm.evaluation.outcome.leaks import check_leaks
from ivm.evaluation.outcome.session import PAGE, REPORT, Run
from ivm.evaluation.suites.opening import open_suite

NAMES = ("highlight", "crop")


def report(folder, squares, script=answer, **settings):
    """Run a trial of 24 questions and write its report; gives what was printed."""
    console = Console(record=True, width=160, file=io.StringIO())
    with (
        running(FakeLmm(script)) as lmm,
        trial_of(squares, lmm.base_url, controls=("oracle", "random"), **settings) as one,
    ):
        Run(trial=one, folder=folder, place=str(squares), command="ivm eval lmm ...").run().show(console)
    return console.export_text()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    squares = write_squares(place / "squares", count=24)
    (squares / "direct_attributes" / "7.jpg").unlink()
    mishaps = Mishaps(answer, {0: "<script>alert(1)</script> & more"})
    text = report(place / "out", squares, mishaps, views=NAMES, concurrency=1)
    return place / "out", squares, text


def test_the_sentences_say_what_the_numbers_do(written):
    folder, _, text = written
    assert "Masking (highlight) helps" in text
    assert "Leaks were not looked for" in text.splitlines()[0]
    assert re.search(r"The control highlight/random .*the model's mask is better than it", text)
    assert "With the true boxes" in text
    told = json.loads((folder / REPORT).read_text())
    raw, highlight = (next(arm for arm in told["arms"] if arm["arm"] == name) for name in ("raw", "highlight"))
    assert raw["accuracy"]["mean"] == 0
    assert highlight["accuracy"]["mean"] == pytest.approx(23 / 24)
    assert raw["states"] == {"answered": 22, "malformed": 1, "no-picture": 1}
    assert sum(raw["states"].values()) == raw["questions"] == 24
    (one,) = [one for one in told["against_raw"] if one["second"] == "highlight"]
    assert (one["helped"], one["hurt"], one["questions"]) == (23, 0, 24)
    assert one["p"] <= one["adjusted_p"] < 0.001
    assert len(told["outcomes"]) == 24 * 7


def test_it_can_be_repeated(written):
    folder, squares, _ = written
    origin = json.loads((folder / REPORT).read_text())["origin"]
    assert origin["command"] == "ivm eval lmm ..."
    assert origin["suite"]["sha256_questions"] == open_suite("vstar", squares).checksum
    assert len(origin["suite"]["sha256_pictures"]) == 64
    assert {"python", "numpy", "scipy"} <= set(origin["packages"])
    assert origin["times"]["ratio"] > 0
    assert origin["leaks"]["checked"] == []


class Page(HTMLParser):
    """Notes what a page refers to, and whether its elements close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.refers, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.refers += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_without_scripts(written):
    text = (written[0] / PAGE).read_text()
    page = Page(text)
    assert page.open == []
    assert page.refers == [], "nothing outside the file"
    assert "script" not in page.tags, "what a model says is text"
    assert page.tags.count("img") >= 12
    for section in ("Accuracy", "By category", "Examples", "Helped", "Hurt", "Unchanged", "Time and cost"):
        assert section in text


def test_it_opens_in_a_browser_at_any_width(written):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if chromium is None:
        pytest.skip("chromium is not installed: scripts/install_system.sh")
    said = []
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"], timeout=200_000
        )
        for width in (1366, 390):
            page = browser.new_page(viewport={"width": width, "height": 820})
            page.set_default_timeout(200_000)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto((written[0] / PAGE).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
            assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
        browser.close()
    assert said == []


def test_two_reports_compare_question_by_question(written, tmp_path):
    folder, squares, _ = written
    report(tmp_path / "other", squares, lambda asked: "A", views=("highlight",), concurrency=1)
    found = difference(read_report(folder), read_report(tmp_path / "other" / REPORT))
    by_arm = {one.first: one for one in found.comparisons}
    assert by_arm["raw"].second_mean > by_arm["raw"].first_mean, "A is right now and then, blue never"
    assert by_arm["highlight"].hurt == 15, "of 23 right ones 8 have the letter A"
    assert found.same_questions
    assert set(found.only_first) == {"crop", "crop/oracle", "crop/random"}
    assert found.only_second == ()
    same = difference(read_report(folder), read_report(folder))
    assert same.settings == ()
    assert all(one.p == 1 for one in same.comparisons)


@pytest.mark.parametrize("text", ["{broken", "[]", '{"format": "other"}', '{"format": "ivm-trial", "version": 99}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    (tmp_path / REPORT).write_text(text)
    with pytest.raises(RecordError, match=r"report\.json"):
        read_report(tmp_path)
    with pytest.raises(RecordError, match="cannot be read"):
        read_report(tmp_path / "nowhere")


def test_a_leak_stops_before_a_number_is_printed(written, tmp_path, monkeypatch):
    squares = written[1]
    monkeypatch.setenv("IVM_CACHE", str(tmp_path / "cache"))
    make_shards(tmp_path / "clean", [3])
    leaked = (squares / "direct_attributes" / "3.jpg").read_bytes()
    mask = np.zeros((120, 160), np.bool_)
    mask[5:9, 5:9] = True
    one = Record.of(
        image=leaked, mask=mask, instructions=["the square"], uuid="seen", source="human", license="CC0-1.0"
    )
    (tmp_path / "leaky").mkdir()
    write_shard(tmp_path / "leaky" / "a-000000.tar", [one])
    questions = open_suite("vstar", squares).questions
    clean, leaky = (Survey(ShardSource(tmp_path / name)).run() for name in ("clean", "leaky"))
    assert check_leaks([clean], questions).pairs == ()
    assert "No picture" in check_leaks([clean], questions).told
    found = check_leaks([clean, leaky], questions)
    assert squares / "direct_attributes" / "3.jpg" in {Path(key) for _, key in found.pairs}
    with running(FakeLmm(answer)) as lmm, trial_of(squares, lmm.base_url) as trial:
        run = Run(trial=trial, folder=tmp_path / "out", place="x", train=[leaky])
        with pytest.raises(LeakError, match="allow-leaks"):
            run.run()
        assert lmm.asked == [], "nothing is asked, nothing printed"
        allowed = Run(trial=trial, folder=tmp_path / "out", place="x", train=[leaky], allow_leaks=True)
        assert allowed.run().leaks.pairs
    assert "LEAK" in (tmp_path / "out" / PAGE).read_text()
