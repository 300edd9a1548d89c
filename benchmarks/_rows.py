"""A figure of a benchmark, what is stored of it, and what counts as worse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ivm.core.files import write_files

RESULTS = Path(__file__).parent / "results"
"""One file a benchmark: figures of a run that was really made."""

WORSE = 1.2
"""Times worse than the stored ratio, above which a row is shown as a regression."""

_HIGH_WATER = (
    "\nimport pathlib\n"
    "lines = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
    "print(int(next(line for line in lines if line.startswith('VmHWM')).split()[1]) / 1024)\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure.

    Attributes:
        what: is measured, and against what.
        ratio: ours over the plain way; this is what is compared with a stored one, for seconds depend on the machine.
        value: ours, in `unit`.
        unit: of the value.
        better: whether a lower or a higher ratio is.
    """

    what: str
    ratio: float
    value: float
    unit: str
    better: Literal["lower", "higher"] = "lower"

    def worse_than(self, stored: Row) -> float:
        """Times worse than a stored figure; below 1 where it is better."""
        least = 1e-9
        if self.better == "lower":
            return max(self.ratio, least) / max(stored.ratio, least)
        return max(stored.ratio, least) / max(self.ratio, least)


def read(name: str, folder: Path = RESULTS) -> dict[str, Row]:
    """Return the stored rows of a benchmark by what they measure; none where nothing is stored."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return {}
    return {row["what"]: Row(**row) for row in json.loads(path.read_bytes())["rows"]}


def store(
    name: str,
    rows: Sequence[Row],
    *,
    date: str,
    machine: Mapping[str, Any],
    command: str,
    folder: Path = RESULTS,
) -> None:
    """Write the figures of a benchmark in place of the stored ones."""
    told = {
        "name": name,
        "date": date,
        "machine": dict(machine),
        "command": command,
        "rows": [
            asdict(row) | {"ratio": float(f"{row.ratio:.4g}"), "value": float(f"{row.value:.4g}")} for row in rows
        ],
    }
    write_files([(folder / f"{name}.json", (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())])


def own_peak_megabytes() -> float:
    """Most memory that this process has had; Linux's own figure, for `getrusage` counts what was there before exec."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_megabytes(code: str) -> float:
    """Most memory of a Python process of its own that runs some code; Linux's figure."""
    done = subprocess.run([sys.executable, "-c", code + _HIGH_WATER], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
