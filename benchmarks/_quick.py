"""All parts quickly: one table of ratios, held against the stored figures."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._rows import RESULTS, WORSE, Row, read, store
from rich.console import Console
from rich.table import Table

PATIENCE = 600
"""Seconds after which a part counts as failed."""


def measured(name: str) -> list[Row] | str:
    """Measure one part in a process of its own; what went wrong where it failed."""
    line = [sys.executable, "-m", "benchmarks._parts", name]
    place = Path(__file__).parents[1]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, cwd=place)
    except subprocess.TimeoutExpired:
        return f"took more than {PATIENCE} s"
    if done.returncode:
        said = [text for text in done.stderr.splitlines() if text.strip()]
        return said[-1].strip() if said else f"exit code {done.returncode}"
    return [Row(**row) for row in json.loads(done.stdout)["rows"]]


def quick(
    names: Sequence[str], machine: Mapping[str, Any], *, keep: bool, strict: bool, results: Path = RESULTS
) -> int:
    """Measure, print a table, and say what is worse than stored.

    Args:
        names: of parts.
        machine: as stored figures tell it.
        keep: store what was measured.
        strict: whether a regression ends with an error.
        results: folder of the stored figures.

    Returns:
        The exit code: 1 where a part failed, or where strict and a row is worse.
    """
    console = Console(width=max(100, int(os.environ.get("COLUMNS", "120"))))
    table = Table("part", "what", "ratio", "stored", "", "value", box=None, pad_edge=False)
    for column in (2, 3, 5):
        table.columns[column].justify = "right"
    failed, worse = [], []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows = measured(name)
        if isinstance(rows, str):
            failed.append(f"{name} failed: {rows}")
            continue
        stored = read(name, results)
        for row in rows:
            before, mark = stored.get(row.what), ""
            if before is not None and (times := row.worse_than(before)) > WORSE:
                mark = f"[bold red]{times - 1:.0%} worse[/]"
                worse.append(row.what)
            table.add_row(
                name, row.what, f"{row.ratio:.2f}", "" if before is None else f"{before.ratio:.2f}", mark,
                f"{row.value:.3g} {row.unit}",
            )  # fmt: skip
        if keep:
            today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
            command = f"python -m benchmarks all {name}"
            store(name, rows, date=today, machine=machine, command=command, folder=results)
    console.print(table)
    for line in failed:
        console.print(line, markup=False, highlight=False)
    told = f"{len(worse)} more than {WORSE - 1:.0%} worse than stored" if worse else "nothing is much worse than stored"
    console.print(
        f"{told}; ratios are ours over the plain way, lower is better but for those a second", highlight=False
    )
    return 1 if failed or (strict and worse) else 0
