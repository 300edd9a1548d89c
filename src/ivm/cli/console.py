"""What people read on the terminal; results go to standard output, all else to standard error."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ivm.core.files import output_errors

if TYPE_CHECKING:
    from rich.console import Console

MOST_TOLD = 10
"""Faults or failures that are told on the terminal."""


def emit(text: str) -> None:
    """Print a result on standard output at once.

    Raises:
        OutputError: standard output takes no more; DiskFullError where it is a file on a full disk.
        BrokenPipeError: its reader has gone.
    """
    with output_errors("standard output"):
        print(text, flush=True)


def errors() -> Console:
    """A console on standard error, plain where that is not a terminal."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def tables(*, as_json: bool) -> Console:
    """A console for tables: on standard output, or on standard error where standard output takes JSON."""
    from rich.console import Console

    return Console(stderr=as_json)


def error_line(sentence: str, docs: str | None = None) -> None:
    """Print `error: <sentence>` on standard error, and below it where to read more; nothing is read as markup.

    Args:
        sentence: what was wrong, where, and the remedy.
        docs: page below docs/ and section of it, as errors name it.
    """
    from rich.text import Text

    errors().print(Text.assemble(("error: ", "bold red"), sentence))
    if docs is not None:
        errors().print(Text(f"more: {docs_link(docs)}", style="dim"))


def tell_some(lines: Sequence[str]) -> None:
    """Print the first lines of many on standard error, and how many more there are: a file has all."""
    console = errors()
    for line in lines[:MOST_TOLD]:
        console.print(line)
    if len(lines) > MOST_TOLD:
        console.print(f"and {len(lines) - MOST_TOLD} more")


def command_line() -> str:
    """The command as it was typed, for a report."""
    return shlex.join(["ivm", *sys.argv[1:]])


def docs_link(docs: str, site: str | None = None) -> str:
    """Where to read a page of the documentation.

    Args:
        docs: page below docs/ and section of it: "errors.md#pictures".
        site: address of the documentation; by default the one that the package names as its own, and where it names
            none, the page in the repository is told.
    """
    page, _, section = docs.partition("#")
    address = _site() if site is None else site
    place = f"{address.rstrip('/')}/{page.removesuffix('.md')}/" if address else f"docs/{page}"
    return f"{place}#{section}" if section else place


def _site() -> str:
    """The address that the project's metadata calls Documentation, or nothing."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        addresses = metadata("ivm").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = (line.partition(",") for line in addresses)
    return next((address.strip() for name, _, address in named if name.strip() == "Documentation"), "")


def show_log() -> None:
    """Print on standard error what the package logs for people, from now on."""
    logger = logging.getLogger("ivm")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _ErrorsHandler) for handler in logger.handlers):
        logger.addHandler(_ErrorsHandler())


class _ErrorsHandler(logging.Handler):
    """Prints messages alone, without time and level."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        errors().print(record.getMessage())
