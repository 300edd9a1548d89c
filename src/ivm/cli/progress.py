"""Progress bars on standard error, shown on a terminal only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.console import errors
from ivm.cli.mask_many import InterruptedJobError

if TYPE_CHECKING:
    from ivm.data.parts import Progress

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", "-j", min=1, metavar="N", help="Processes side by side.", show_default="as many as cores"
    ),
]


def worker_count(wanted: int | None) -> int:
    """The number of processes: what was asked for, or one a core."""
    if wanted:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def bar(what: str) -> Iterator[Progress]:
    """Show a bar while parts of a job are done; give the function that moves it.

    Raises:
        InterruptedJobError: Ctrl-C, which loses at most the parts in work.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=errors(), disable=not sys.stderr.isatty()) as shown:
            task = shown.add_task(what, total=None)
            yield lambda done, total: shown.update(task, completed=done, total=total)
    except KeyboardInterrupt:
        raise InterruptedJobError(f"interrupted while {what}: run the same command again to go on") from None
