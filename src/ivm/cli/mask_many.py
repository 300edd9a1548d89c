"""`ivm mask` for a folder of pictures or a JSON Lines file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ivm.cli.console import emit, errors
from ivm.cli.mask_one import DEFAULT_OUTPUT
from ivm.cli.request import Request
from ivm.core.errors import BatchError, IvmError, OptionError

if TYPE_CHECKING:
    from ivm.inference.job import Job, Outcome
    from ivm.inference.tasks import BadTask, Task

MOST_FAILURES = 10
"""Failures that are told on the terminal; the file has all."""


class InterruptedJobError(IvmError):
    """Ctrl-C ended a job between two pictures."""

    exit_code = 130
    docs = None


def mask_many(request: Request, *, batch_size: int, overwrite: bool) -> None:
    """Mask every picture of a folder, or every line of a JSON Lines file.

    Raises:
        BatchError: some failed, the others are done.
        InterruptedJobError: Ctrl-C.
        IvmError: the job cannot run, or its results cannot be written.
    """
    if request.output == "-":
        raise OptionError("-o - takes one picture, and this is many: give a folder with -o DIR")
    output = Path(request.output or DEFAULT_OUTPUT)
    tasks = _tasks(request, output)
    masker = request.load()
    from ivm.inference.job import FAILURES, RESULTS, Job

    job = Job(masker, output, request.settings(masker), batch_size=batch_size, overwrite=overwrite)
    counts: Counter[str] = Counter()
    failures: list[Outcome] = []
    try:
        _run(job, tasks, request, counts, failures)
    except KeyboardInterrupt:
        raise InterruptedJobError(
            f"interrupted, {counts['done'] + counts['skipped']} of {len(tasks)} results are whole in {output}: "
            "run the same command again to go on"
        ) from None
    if not request.quiet:
        skipped = f", {counts['skipped']} done before" if counts["skipped"] else ""
        errors().print(f"{counts['done']} done{skipped}, {counts['failed']} failed: see {output / RESULTS}")
    if failures:
        _tell_failures(failures)
        raise BatchError(f"{len(failures)} of {len(tasks)} failed, {output / FAILURES} tells why; the others are done")


def _tasks(request: Request, output: Path) -> Sequence[Task | BadTask]:
    from ivm.inference.tasks import tasks_of_folder, tasks_of_lines

    source = Path(request.picture)
    if source.is_dir():
        return tasks_of_folder(source, request.checked_instruction(), leave_out=output)
    return tasks_of_lines(source, None if request.instruction is None else request.checked_instruction())


def _run(
    job: Job,
    tasks: Sequence[Task | BadTask],
    request: Request,
    counts: Counter[str],
    failures: list[Outcome],
) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("masking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = request.quiet or not sys.stderr.isatty()
    with Progress(*columns, console=errors(), disable=hidden) as progress, closing(job.run(tasks)) as outcomes:
        bar = progress.add_task("masking", total=len(tasks))
        for outcome in outcomes:
            counts[outcome.state] += 1
            if outcome.state == "failed":
                failures.append(outcome)
            elif request.as_json:
                emit(json.dumps(outcome.row, ensure_ascii=False))
            progress.advance(bar)


def _tell_failures(failures: Sequence[Outcome]) -> None:
    console = errors()
    for outcome in failures[:MOST_FAILURES]:
        console.print(f"failed: {outcome.id}: {outcome.row['message']}")
    if len(failures) > MOST_FAILURES:
        console.print(f"and {len(failures) - MOST_FAILURES} more")
