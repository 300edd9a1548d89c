"""docs/errors.md holds the error tree, and every error leads to a section of it that is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from ivm.cli import main, progress
from ivm.cli.console import docs_link
from ivm.core import errors

DOCS = Path(__file__).parents[2] / "docs"


def tree(kind):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


KINDS = list(tree(errors.IvmError))


def sections(page: Path) -> dict[str, str]:
    """Text of each section of a page by its anchor; "" is what stands before the first."""
    title, *parts = re.split(r"^#{2,} ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": title} | {
        re.sub(r"[^\w -]", "", part.splitlines()[0]).lower().replace(" ", "-"): part for part in parts
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_leads_to_the_section_that_tells_of_it(kind):
    page, _, anchor = kind.docs.partition("#")
    says = inspect.getdoc(kind).splitlines()[0]
    row = f"| {kind.exit_code} | `{kind.__name__}` | {says} |"
    assert row in sections(DOCS / page)[anchor].splitlines(), f"expected in {kind.docs}: {row}"


def test_the_page_names_no_error_that_is_none():
    named = re.findall(r"^\| \d+ \| `(\w+)`", (DOCS / "errors.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(named) == sorted(kind.__name__ for kind in KINDS)


def test_the_codes_that_are_no_errors_are_on_the_page():
    codes = re.findall(r"^\| (\d+) \| [^`]", sections(DOCS / "errors.md")[""], flags=re.MULTILINE)
    ours = {
        main.BROKEN_PIPE,
        main.OUT_OF_MEMORY,
        main.INTERRUPTED,
        main.TERMINATED,
        progress.InterruptedJobError.exit_code,
    }
    assert {0, 2} | ours == {int(code) for code in codes}


def test_the_drawing_of_the_tree_has_every_code():
    drawn = errors.__doc__
    for kind in KINDS:
        assert kind.__name__ in drawn
        line = next(line for line in drawn.splitlines() if re.search(rf"\b{kind.__name__}\b", line))
        told = re.search(rf"{kind.__name__}.*?\s(\d+)(?:\s|$)", line)
        assert told is None or int(told[1]) == kind.exit_code, line


def test_a_link_is_an_address_where_the_documentation_has_one():
    assert docs_link("errors.md#pictures", site="") == "docs/errors.md#pictures"
    assert (
        docs_link("errors.md#pictures", site="https://docs.example/ivm/") == "https://docs.example/ivm/errors/#pictures"
    )
    assert docs_link("errors.md", site="https://docs.example/ivm") == "https://docs.example/ivm/errors/"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", (DOCS / "errors.md").read_text(encoding="utf-8")))
def test_links_of_the_page_lead_somewhere(link):
    page, _, anchor = link.partition("#")
    path = DOCS / page if page else DOCS / "errors.md"
    assert path.is_file()
    assert not anchor or anchor in sections(path)
