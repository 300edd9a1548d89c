"""Links, pictures and anchors lead somewhere; the site is whole, loads nothing from others, and fits a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from scripts import benchmarks_page

import ivm
from docs.pages import DOCS, PAGES, ROOT, blocks

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "video": "src"}


def prose(page: Path) -> str:
    """A page without its code."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]+`", "code", text)


LINKS = sorted(
    {
        (page.relative_to(ROOT).as_posix(), link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r'src="([^"]+)"', prose(page))
        if not link.startswith(("http", "mailto:"))
    }
)


def anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as GitHub and MkDocs make them alike, and the names that the reference documents."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    slugs = {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", one).strip().lower()) for one in headings}
    return slugs | set(re.findall(r"^::: ([\w.]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_leads_somewhere(page, link):
    parts = urlsplit(link)
    target = (ROOT / page).parent / unquote(parts.path) if parts.path else ROOT / page
    assert target.exists()
    if parts.fragment and target.suffix == ".md":
        known = anchors(target)
        assert parts.fragment in known or any(parts.fragment.startswith(f"{name}.") for name in known)


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"^ +- .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_the_reference_has_every_public_name_and_all_that_pages_import():
    documented = {
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"^::: ([\w.]+)", page.read_text(), re.MULTILINE)
    }
    assert {f"ivm.{name}" for name in ivm.__all__} <= documented
    imported = set()
    for page in DOCS.rglob("*.md"):
        for block in blocks(page):
            for module, names in re.findall(r"^from (ivm\.[\w.]+) import (.+)$", block.code, re.MULTILINE):
                imported |= {f"{module}.{name.strip()}" for name in names.split("#")[0].split(",")}
    assert imported <= documented


def test_stored_figures_become_tables(tmp_path):
    assert "Nothing is stored yet" in benchmarks_page.tables(tmp_path)
    rows = [{"what": "a | b", "ratio": 0.29, "value": 1234.5, "unit": "ms", "better": "lower"}]
    rows.append({"what": "pictures", "ratio": 2, "value": 30.0, "unit": "a second", "better": "higher"})
    told = {"name": "mask", "date": "2026-11-26", "machine": {"cpu": "a CPU", "cores": 2}, "command": "make bench"}
    (tmp_path / "mask.json").write_text(json.dumps(told | {"rows": rows}))
    text = benchmarks_page.tables(tmp_path)
    assert "2026-11-26, a CPU, 2 cores: `make bench`" in text
    assert "| a \\| b | 0.29 | 1,234 ms |" in text
    assert "| pictures (higher is better) | 2 | 30 a second |" in text
    (tmp_path / "mask.json").write_text("{}")
    with pytest.raises(ValueError, match=r"mask\.json holds no stored figures"):
        benchmarks_page.tables(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it, in another folder."""
    pytest.importorskip("mkdocs", reason="the site is built with the extra [docs]")
    pytest.importorskip("mkdocstrings", reason="the site is built with the extra [docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


class Loads(HTMLParser):
    """Addresses of other hosts that a page loads from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        address = dict(attrs).get(LOADING.get(tag, ""))
        if address and urlsplit(address).netloc:
            self.found.append(address)


def test_the_site_is_whole_and_loads_nothing_from_others(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loads = Loads()
        loads.feed(text)
        assert loads.found == [], page
        assert "mermaid" not in text  # the theme would fetch it from another host
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", style.read_text(encoding="utf-8"))
    assert "load(" in (site / "api" / "ivm.html").read_text(encoding="utf-8")


def test_on_a_phone_and_on_a_laptop(site):
    sync = pytest.importorskip("playwright.sync_api", reason="the pages are looked at with Playwright")
    if not CHROMIUM:
        pytest.skip("no Chromium is installed: scripts/install_system.sh does it")
    asked: list[str] = []
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, height in ((390, 844), (1366, 768)):
            page = chromium.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(60_000)
            page.on("request", lambda request: asked.append(request.url))
            for name in ("index", "ideas", "tasks/table", "evaluation", "training", "api/ivm", "errors", "benchmarks"):
                page.goto((site / f"{name}.html").as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                    f"{name} is wider than the screen"
                )
                broken = "[...document.images].filter(one => !one.complete || !one.naturalWidth).map(one => one.src)"
                assert page.evaluate(broken) == [], name
                tiny = "[...document.querySelectorAll('article img')].filter(one => one.clientWidth < 250).length"
                assert page.evaluate(tiny) == 0, name
        chromium.close()
    assert [one for one in asked if not one.startswith(("file:", "data:", "blob:"))] == []
