"""The page in headless Chromium: mouse, keyboard, phone; axe for what screen readers need."""

from __future__ import annotations

import filecmp
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from serving_tools import TABLE

pytest.importorskip("playwright", reason="the page is tried with Playwright")
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed: scripts/install_system.sh does it")

PICTURES = 5
PATIENT = 60_000
LAPTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
EXAMPLES = Path(__file__).parents[2] / "src" / "ivm" / "serving" / "page_files"


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, server):
    """Open the page at a width; at the end no error may have been said, on the console or on the page."""
    contexts, faults = [], []

    def open_page(viewport=LAPTOP, address=None, fragment=""):
        context = browser.new_context(viewport=viewport, accept_downloads=True)
        contexts.append(context)
        context.set_default_timeout(PATIENT)
        page = context.new_page()
        page.on(
            "console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((address or server.address) + fragment)
        expect(page.locator("#model")).to_contain_text("with ")
        return page

    open_page.faults = faults
    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def shown(page, count):
    """Wait until so many pictures are there and nothing is under way."""
    expect(page.locator("figure:visible")).to_have_count(count, timeout=PATIENT)
    expect(page.locator(".busy")).to_have_count(0, timeout=PATIENT)


def choose(page, path):
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_have_text("Ready: say what to keep", timeout=PATIENT)


def sources(page):
    return page.locator("figure:visible img").evaluate_all("pictures => pictures.map(picture => picture.src)")


def test_upload_ask_slide_ask_again_and_download(open_page, server, scene, tmp_path):
    file = tmp_path / "scene.png"
    Image.fromarray(scene).save(file)
    page = open_page()
    choose(page, file)
    page.fill("#instruction", "the red thing")
    page.get_by_role("button", name="Ask", exact=True).click()
    shown(page, PICTURES)
    asked = server.metric("ivm_questions_total")

    before = sources(page)
    page.locator("#threshold").fill("0.6")
    page.locator("#fill").fill("#00ff00")
    expect(page.locator("figure img").nth(1)).not_to_have_attribute("src", before[1], timeout=PATIENT)
    assert page.locator("#threshold-value").inner_text() == "0.60"
    assert sources(page)[0] == before[0], "the heatmap does not follow from the sliders"
    assert server.metric("ivm_questions_total") == asked, "no slider asks the model"

    page.fill("#instruction", "blue")
    page.keyboard.press("Enter")
    shown(page, 2 * PICTURES)
    assert server.metric("ivm_questions_total") == asked + 1
    assert "is above the threshold" in page.locator(".card").first.inner_text()

    with page.expect_download() as waiting:
        page.click("#download")
    waiting.value.save_as(tmp_path / "ivm.zip")
    with zipfile.ZipFile(tmp_path / "ivm.zip") as file:
        names = file.namelist()
    assert len(names) == 2 * 12
    assert {"01-the-red-thing/sheet.png", "01-the-red-thing/summary.json", "02-blue/highlight.png"} <= set(names)

    page.get_by_label("Remove “blue”").click()
    shown(page, PICTURES)


def test_a_video_has_a_scrubber(open_page, tmp_path):
    film = tmp_path / "film.webm"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"VP80"), 10, (160, 120))
    for number in range(20):
        frame = np.full((120, 160, 3), 120, np.uint8)
        frame[40:80, 4 * number : 4 * number + 40] = (0, 0, 255)
        writer.write(frame)
    writer.release()
    page = open_page()
    choose(page, film)
    page.fill("#instruction", "red")
    page.keyboard.press("Enter")
    shown(page, PICTURES)
    first = sources(page)
    page.locator("#moment").fill("1.5")
    expect(page.locator("figure img").first).not_to_have_attribute("src", first[0], timeout=PATIENT)
    assert page.locator("#moment-value").inner_text() == "1.5 s"
    assert page.locator("#video").is_visible()
    assert page.locator("#preview").is_hidden()


def test_the_camera(open_page):
    page = open_page()
    page.click("#camera")
    expect(page.locator("#shoot")).to_be_focused(timeout=PATIENT)
    page.click("#shoot")
    expect(page.locator("#status")).to_have_text("Ready: say what to keep", timeout=PATIENT)
    assert page.locator("#preview").is_visible()


def test_drop_and_paste(open_page):
    page = open_page()
    for kind, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """async ([kind, carrier]) => {
                const blob = await (await fetch("page/robot.jpg")).blob();
                const data = new DataTransfer();
                data.items.add(new File([blob], "robot.jpg", { type: "image/jpeg" }));
                const event = new (kind === "drop" ? DragEvent : ClipboardEvent)(kind,
                    { [carrier]: data, bubbles: true, cancelable: true });
                document.getElementById("preview").hidden = true;
                document.body.dispatchEvent(event);
            }""",
            [kind, carrier],
        )
        expect(page.locator("#preview")).to_be_visible(timeout=PATIENT)
        expect(page.locator("#status")).to_have_text("Ready: say what to keep", timeout=PATIENT)


def test_with_the_keyboard_alone(open_page):
    page = open_page()

    def tab_to(identity):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id || document.activeElement.dataset.example") == identity:
                return
        raise AssertionError(f"the Tab key does not lead to {identity}")

    tab_to("tabletop")
    page.keyboard.press("Enter")
    shown(page, PICTURES)
    tab_to("instruction")
    page.keyboard.type("blue")
    page.keyboard.press("Enter")
    shown(page, 2 * PICTURES)
    before = sources(page)
    tab_to("threshold")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.locator("#threshold-value").inner_text() == "0.60"
    tab_to("fill")
    tab_to("preset")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#dilate")).to_be_disabled()
    tab_to("reset")
    page.keyboard.press("Enter")
    expect(page.locator("#threshold-value")).to_have_text("0.50")
    tab_to("download")
    with page.expect_download():
        page.keyboard.press("Enter")
    assert len(sources(page)) == len(before)


def test_a_link_brings_settings_back(open_page):
    page = open_page()
    page.click(".example >> nth=0")
    shown(page, PICTURES)
    page.locator("#threshold").fill("0.7")
    page.locator("#fill").fill("#102030")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#link")
    expect(page.locator("#status")).to_contain_text("in the clipboard", timeout=PATIENT)
    fragment = page.evaluate("location.hash")
    other = open_page(fragment=fragment)
    shown(other, PICTURES)
    assert other.locator("#threshold").input_value() == "0.7"
    assert other.locator("#fill").input_value() == "#102030"
    assert other.locator(".card h3").inner_text() == "pick up the red cup"


def test_a_made_up_link_does_no_harm(open_page):
    hostile = "#threshold=9&fill=url(x)&preset=no&ask=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    page = open_page(fragment=hostile)
    assert page.locator("#threshold").input_value() == "0.99"
    assert page.locator("#fill").input_value() in ("#000000", "#ffffff")
    assert page.locator("#preset").input_value() == "paper"
    assert page.locator(".card h3").inner_text().startswith("<img")
    assert page.locator(".card h3 img").count() == 0


def test_what_goes_wrong_is_said(open_page, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    page = open_page()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#problem")).to_contain_text("Say what to keep", timeout=PATIENT)
    page.set_input_files("#file", text)
    expect(page.locator("#problem")).to_contain_text("is not a picture that can be read", timeout=PATIENT)
    assert all("422" in fault for fault in open_page.faults), "the browser notes that the server refused it"
    open_page.faults.clear()


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(open_page, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = open_page(viewport)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = axe.Axe().run(page).response["violations"]
    page.click(".example >> nth=0")
    shown(page, PICTURES)
    page.evaluate("document.getElementById('look').open = true")
    found += axe.Axe().run(page).response["violations"]
    assert [(fault["id"], fault["impact"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing reaches over the side"


@pytest.mark.parametrize("name", ["tabletop.jpg", "robot.jpg"])
def test_examples_are_those_of_the_project(name):
    assert filecmp.cmp(EXAMPLES / name, TABLE.parent / name, shallow=False)
