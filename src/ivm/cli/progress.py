"""Progress bars on standard error, shown on a terminal only; and how an interrupted job ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.console import errors
from ivm.core.errors import IvmError
from ivm.core.machine import available_cores

if TYPE_CHECKING:
    from rich import progress

    from ivm.data.parts import Progress

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", "-j", min=1, metavar="N", help="Processes side by side.", show_default="as many as cores"
    ),
]


class InterruptedJobError(IvmError):
    """Ctrl-C ended a job between two of its parts."""

    exit_code = 130
    docs = None


def worker_count(wanted: int | None) -> int:
    """The number of processes: what was asked for, or one a core."""
    return wanted or available_cores()


@contextlib.contextmanager
def bars(*, quiet: bool = False) -> Iterator[progress.Progress]:
    """Show rich's bars, each with its description, what is done of all, and the time that is left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), disable=quiet or not sys.stderr.isatty()) as shown:
        yield shown


@contextlib.contextmanager
def bar(what: str) -> Iterator[Progress]:
    """Show a bar while parts of a job are done; give the function that moves it.

    Raises:
        InterruptedJobError: Ctrl-C, which loses at most the parts in work.
    """
    try:
        with bars() as shown:
            task = shown.add_task(what, total=None)
            yield lambda done, total: shown.update(task, completed=done, total=total)
    except KeyboardInterrupt:
        raise InterruptedJobError(f"interrupted while {what}: run the same command again to go on") from None
