"""The stored figures of `benchmarks/results` as Markdown; as a hook of MkDocs it puts them into docs/benchmarks.md.

So the page is never older than the figures: nothing generated is kept. `python -m scripts.benchmarks_page` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
MARK = "<!-- stored results -->"
PAGE = "benchmarks.md"


def tables(folder: Path = RESULTS) -> str:
    """One section a file: where and when it was measured, and its rows.

    Raises:
        ValueError: a file is not of the form that `python -m benchmarks all --store` writes; its name is said.
    """
    parts = [section(path) for path in sorted(folder.glob("*.json"))]
    return "\n".join(parts) if parts else "Nothing is stored yet: `python -m benchmarks all --store` does it.\n"


def section(path: Path) -> str:
    """The figures of one file."""
    try:
        told = json.loads(path.read_bytes())
        machine = told["machine"]
        lines = [
            f"## {cell(told['name'])}",
            "",
            f"{told['date']}, {cell(machine['cpu'])}, {machine['cores']} cores: `{told['command']}`",
            "",
            "| what | ratio | ours |",
            "|---|---:|---:|",
            *(row(one) for one in told["rows"]),
        ]
    except (KeyError, TypeError, ValueError) as fault:
        raise ValueError(f"{path.name} holds no stored figures: {fault!r}") from fault
    return "\n".join(lines) + "\n"


def row(one: Mapping[str, Any]) -> str:
    """One figure as a line of the table."""
    direction = {"lower": "", "higher": " (higher is better)"}[one["better"]]
    return f"| {cell(one['what'])}{direction} | {one['ratio']:.3g} | {one['value']:,.4g} {cell(one['unit'])} |"


def cell(text: str) -> str:
    """A text that cannot end its cell."""
    return " ".join(text.replace("|", "\\|").split())


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """MkDocs calls this with the text of each page."""
    return markdown.replace(MARK, tables()) if page.file.src_uri == PAGE else markdown


if __name__ == "__main__":
    sys.stdout.write(tables())
