"""The whole trial at V*Bench's size against a scripted server: does it say what is so, and how long does it take?

Renders a benchmark of 191 questions, asks each raw and in three views with three controls (13 ways), and prints the
report and the time against masking and answering one after the other; the bound is 1.2. The server names the colour
of which most is kept, so its accuracy depends on the pixels that it is sent. It tests the harness, not the claim.

    python -m benchmarks.evaluation
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from ivm.evaluation.suites.rendered import write_rendered

ROOT = Path(__file__).parents[1]


def tried(folder: Path, *, questions: int, seed: int) -> tuple[str, dict[str, Any]]:
    """Run the trial in a folder, rendering its benchmark where it is not there; what was printed, and the times."""
    sys.path.insert(0, str(ROOT / "tests"))
    from fake_lmm import process  # type: ignore[import-not-found]

    if not (folder / "bench" / "test_questions.jsonl").is_file():
        write_rendered(folder / "bench", questions, seed=seed)
    with process("evaluation.colour_lmm:answer") as url:
        line = [sys.executable, "-m", "ivm", "eval", "lmm", "vstar", str(folder / "bench"), "--url", url]
        line += ["--lmm", "colours", "-o", str(folder / "report")]
        done = subprocess.run(line, check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"})
    return done.stdout, json.loads((folder / "report" / "report.json").read_text())["origin"]["times"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=191, help="of the rendered benchmark")
    parser.add_argument("--seed", type=int, default=1, help="of its tables")
    parser.add_argument("--keep", type=Path, help="folder for benchmark and report, which are thrown away otherwise")
    options = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as temporary:
        printed, times = tried(options.keep or Path(temporary), questions=options.questions, seed=options.seed)
        console.print(printed, highlight=False, markup=False)
        console.print({name: round(value, 2) if isinstance(value, float) else value for name, value in times.items()})


if __name__ == "__main__":
    main()
