"""The page of `ivm label review` in headless Chromium: keyboard, mouse, phone; what was decided is on the disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra [label] is not installed")
pytest.importorskip("playwright", reason="the page is tried with Playwright")
from playwright.sync_api import expect, sync_playwright

from ivm.data.shards import Shard
from ivm.labeling.review.queue import DECISIONS, Queue
from labeling_review import review_folder, reviewing
from labeling_tasks import square

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed: scripts/install_system.sh does it")

PATIENT = 60_000
LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
SIDE = 96
"""Pixels of the pictures; the pointer begins in the middle, at 48, 48. The square covers 4 to 20 either way."""
SQUARE = square("red", size=SIDE)[..., 0] > 200


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def folder(tmp_path):
    return review_folder(tmp_path / "out", SIDE)


@pytest.fixture
def faults():
    """What was complained about on the console; at the end it must be empty."""
    return []


@pytest.fixture
def page(browser, folder, faults):
    """The page, with its first record; at the end there was no complaint, and no other host was asked."""
    hosts = set()
    with reviewing(folder) as address:
        context = browser.new_context(viewport=LAPTOP)
        context.set_default_timeout(PATIENT)
        page = context.new_page()
        page.on(
            "console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(address)
        shown(page, "take the odd", 4)
        yield page
        context.close()
        assert hosts - {""} == {urlsplit(address).netloc}, "data: and blob: have no host"
    assert faults == []


def settled(page):
    """Wait until the server has answered."""
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false", timeout=PATIENT)


def shown(page, instruction, left):
    """Wait until a record is there, and that many wait."""
    settled(page)
    expect(page.locator("#count")).to_have_text(f"{left} of 4 to decide")
    expect(page.locator("#instruction")).to_have_text(instruction)


def press(page, *keys):
    """Press keys, each when the last one's work is done."""
    for key in keys:
        page.keyboard.press(key)
        settled(page)


def decided(folder):
    """What the file of decisions says, line by line."""
    path = folder / DECISIONS
    lines = path.read_text().splitlines() if path.exists() else []
    return [(told["uuid"], told["decision"]) for told in map(json.loads, lines)]


def drawn(folder, name="odd"):
    return Queue(folder).decisions[name].drawn()


def disc(x, y, radius):
    """Pixels whose centres lie in a disc."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def alike(found, wanted):
    """Whether two masks overlap but for their edges."""
    return (found & wanted).sum() / (found | wanted).sum() > 0.9


def at(page, x, y):
    """Where a pixel of the picture is on the screen."""
    box = page.locator("#canvas").bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1), "a square picture is shown as a square"
    return box["x"] + x / SIDE * box["width"], box["y"] + y / SIDE * box["height"]


def test_records_are_decided_with_keys_and_exported(page, folder, tmp_path):
    assert "experts disagree" in page.locator("#why").inner_text()
    press(page, "l")
    shown(page, "take the doubtful", 4)
    press(page, "k")
    shown(page, "take the middle", 3)
    press(page, "r")
    shown(page, "take the sure", 2)
    press(page, "u")
    shown(page, "take the middle", 3)
    press(page, "r", "k")
    shown(page, "take the odd", 1)  # what was left for later
    press(page, "k")
    shown(page, "All is decided.", 0)
    press(page, "k", "r", "l", "b", " ", "c", "Enter", "m")
    expect(page.locator("button:enabled")).to_have_count(1)
    assert decided(folder) == [
        ("doubtful", "keep"), ("middle", "reject"), ("middle", "undo"), ("middle", "reject"), ("sure", "keep"),
        ("odd", "keep"),
    ]  # fmt: skip
    press(page, "u")
    shown(page, "take the odd", 1)
    export = [sys.executable, "-m", "ivm", "label", "review", str(folder), "--export", str(tmp_path / "set")]
    done = subprocess.run(export, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("2 records in"), done.stderr
    (path,) = (tmp_path / "set").glob("*.tar")
    with Shard(path) as shard:
        records = [shard[index] for index in range(len(shard))]
    assert {(one.uuid, one.source, one.weight) for one in records} == {
        ("doubtful", "human", 1.0), ("sure", "human", 1.0)
    }  # fmt: skip
    assert all(one.provenance.maker.startswith("Ann, ") for one in records)


def test_a_mask_is_redrawn_with_keys(page, folder):
    press(page, "c", "b", "[", "[", " ", *["Shift+ArrowRight"], *["ArrowDown"] * 3, " ", "Enter")
    shown(page, "take the doubtful", 3)
    assert decided(folder) == [("odd", "redraw")]
    assert alike(drawn(folder), disc(48, 48, 6) | disc(68, 60, 6))


def test_a_mask_is_redrawn_with_the_mouse(page, folder):
    page.get_by_role("button", name="Brush").click()
    expect(page.locator("#stage")).to_be_focused()
    page.locator("#size").fill("8")
    page.mouse.move(*at(page, 30, 60))
    page.mouse.down()
    page.mouse.move(*at(page, 70, 60), steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Eraser").click()
    page.mouse.click(*at(page, 50, 60))
    page.mouse.click(*at(page, 12, 12), button="right")  # draws nothing
    page.get_by_role("button", name="Save").click()
    shown(page, "take the doubtful", 3)
    stroke = np.zeros((SIDE, SIDE), bool)
    stroke[52:68, 30:70] = True
    stroke |= disc(30, 60, 8) | disc(70, 60, 8)
    assert alike(drawn(folder), (SQUARE | stroke) & ~disc(50, 60, 8))


def test_points_let_the_mask_be_found(page, folder):
    press(page, "c", "p")
    page.mouse.click(*at(page, 12, 12))
    settled(page)
    press(page, "n", *["Shift+ArrowRight"] * 3, *["Shift+ArrowDown"] * 3, " ")
    expect(page.locator("#minus")).to_have_attribute("aria-pressed", "true")
    press(page, "Enter")
    shown(page, "take the doubtful", 3)
    assert decided(folder) == [("odd", "redraw")]
    found = drawn(folder)
    assert (found & SQUARE).sum() / (found | SQUARE).sum() > 0.8


def test_nothing_is_saved_where_nothing_was_drawn(page, folder):
    press(page, "Enter", "b", "Escape", " ", "Enter")
    shown(page, "take the odd", 4)
    assert decided(folder) == []


def test_the_mask_can_be_hidden(page):
    corner = "[...view.getImageData(SIDE - 1, SIDE - 1, 1, 1).data].slice(0, 3)".replace("SIDE", str(SIDE))
    assert max(page.evaluate(corner)) < 60
    press(page, "m")
    assert page.evaluate(corner) == [120, 120, 120]
    expect(page.locator("#hide")).to_have_attribute("aria-pressed", "true")


def test_a_button_and_a_slider_keep_their_own_keys(page, folder):
    press(page, "b")
    page.locator("#size").focus()
    before = page.evaluate("[pointer.x, Number(byId('size').value)]")
    press(page, "ArrowRight")
    assert page.evaluate("[pointer.x, Number(byId('size').value)]") == [before[0], before[1] + 1]
    page.locator("#reject").focus()
    press(page, " ")
    shown(page, "take the doubtful", 3)
    assert decided(folder) == [("odd", "reject")]


def test_every_control_is_reached_and_shows_that_it_is(page):
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                return [e.id, s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2]; }"""
        )
        if told[0]:
            reached.append(told)
    names = [
        "stage",
        "keep",
        "reject",
        "skip",
        "undo",
        "hide",
        "brush",
        "erase",
        "plus",
        "minus",
        "size",
        "clear",
        "save",
    ]
    assert reached[: len(names)] == [[name, True] for name in names]


def test_what_goes_wrong_is_said_and_the_page_goes_on(page, folder, faults):
    hidden = (folder / "run-000001.tar").rename(folder.parent / "run-000001.tar")
    press(page, "k", "k")
    expect(page.locator("#message")).to_contain_text("run-000001.tar")
    hidden.rename(folder / "run-000001.tar")
    press(page, "l")
    expect(page.locator("#message")).to_be_empty()
    assert [name for name, _ in decided(folder)][:1] == ["odd"]
    assert faults
    assert all("400" in fault for fault in faults), "the browser notes that the server refused it"
    faults.clear()


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(page, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    press(page, "p")
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(wide), "nothing reaches over the side"
    found = axe.Axe().run(page).response["violations"]
    press(page, "k", "k", "k", "k")
    found += axe.Axe().run(page).response["violations"]
    assert [(fault["id"], fault["impact"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
    assert page.evaluate(wide), "nothing reaches over the side"
