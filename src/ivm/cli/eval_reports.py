"""`ivm eval diff` and `ivm eval render`: two reports compared, and a benchmark to report on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ivm.cli.console import emit, errors, tables
from ivm.cli.options import Debug, Json, Seed
from ivm.cli.progress import bar
from ivm.core.errors import OptionError


def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A report.json, or its folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two reports: what was set otherwise, and how each way of asking changed, question by question.

    Example: ivm eval diff report other-report
    """
    from rich.markup import escape
    from rich.table import Table

    from ivm.evaluation.outcome.difference import difference, read_report
    from ivm.evaluation.outcome.verdict import told_p

    found = difference(read_report(first), read_report(second))
    if as_json:
        emit(json.dumps(found.to_json(), ensure_ascii=False))
        return
    console = tables(as_json=False)
    if found.settings:
        settings = Table("Setting", "A", "B", box=None, pad_edge=False)
        for row in found.settings:
            settings.add_row(*(escape(cell if len(cell) <= 60 else cell[:57] + "...") for cell in row))
        console.print(settings)
    table = Table("Shown", "n", "A", "B", "change", "95 % interval", "better", "worse", "p", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in found.comparisons:
        low, high = one.difference.low, one.difference.high
        table.add_row(
            one.first,
            str(one.questions),
            f"{one.first_mean:.3f}",
            f"{one.second_mean:.3f}",
            f"{one.difference.mean:+.3f}",
            "" if low is None else f"{low:+.3f} to {high:+.3f}",
            str(one.helped),
            str(one.hurt),
            told_p(one.p),
        )
    console.print(table)
    for name, arms in (("A", found.only_first), ("B", found.only_second)):
        if arms:
            console.print(f"only in {name}: {', '.join(arms)}", highlight=False, soft_wrap=True)
    if not found.same_questions:
        common = max((one.questions for one in found.comparisons), default=0)
        errors().print(f"The reports asked different questions: only the common ones ({common}) are compared")


def render(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", hidden=True)] = None,  # as it was called at first
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the benchmark; made.", show_default=False),
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="How many, each about a picture of its own.")] = 191,
    seed: Seed = 0,
    debug: Debug = False,
) -> None:
    """Render a benchmark in V*Bench's layout: small things on large, cluttered tables, with exact boxes.

    It tests the harness, not the claim: ivm-nano has learnt from such tables. Ask it with: ivm eval lmm vstar DIR ...

    Example: ivm eval render -o bench --seed 1
    """
    place = output or folder
    if place is None:
        raise OptionError("Say where the benchmark is to be written: -o DIR")
    from ivm.core.extras import optional

    optional("numba", extra="eval")
    from ivm.evaluation.suites.rendered import write_rendered

    with bar("rendering") as progress:
        listing = write_rendered(place, questions, seed=seed, progress=progress)
    emit(os.fspath(listing))
