"""`ivm mask` for a folder of pictures or a JSON Lines file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ivm.cli.console import emit, errors, tell_some
from ivm.cli.mask_one import DEFAULT_OUTPUT
from ivm.cli.progress import InterruptedJobError, bars
from ivm.cli.request import Request
from ivm.core.errors import BatchError, OptionError

if TYPE_CHECKING:
    from ivm.inference.job import Job, Outcome
    from ivm.inference.tasks import BadTask, Task


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
        tell_some([f"failed: {outcome.id}: {outcome.row['message']}" for outcome in failures])
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
    with bars(quiet=request.quiet) as progress, closing(job.run(tasks)) as outcomes:
        bar = progress.add_task("masking", total=len(tasks))
        for outcome in outcomes:
            counts[outcome.state] += 1
            if outcome.state == "failed":
                failures.append(outcome)
            elif request.as_json:
                emit(json.dumps(outcome.row, ensure_ascii=False))
            progress.advance(bar)
