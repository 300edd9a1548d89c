"""Train a small `ivm-nano` under each weighting, and print what came out.

    python -m benchmarks.dwsl -o runs/dwsl          # about half an hour on one core; run it again to go on
    python -m benchmarks.dwsl -o runs/dwsl-40 --people 40
    python -m benchmarks.dwsl -o runs/try --seeds 1 --steps 20

Runs that are done are read from the folder.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from . import data, report, runs


def main() -> None:
    """Make the data, do all runs that are not done, print the tables, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/dwsl"), help="folder for data and runs")
    parser.add_argument("--people", type=int, default=300, help="exact labels, beside 1500 of the machine")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each weighting")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--only", action="append", choices=runs.ARMS, help="these weightings only")
    options = parser.parse_args()
    folder = data.make(options.output / "data", options.people).parent
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in options.only or runs.ARMS}
    for seed in range(1, options.seeds + 1):
        for arm in found:
            started = time.perf_counter()
            found[arm].append(runs.run(arm, seed, folder, options.steps))
            score = sum(found[arm][-1]["iou"]) / len(found[arm][-1]["iou"])
            print(f"{arm}, seed {seed}: IoU {score:.3f} ({time.perf_counter() - started:.0f} s)", flush=True)
    truth = json.loads((folder / "data" / "truth.json").read_bytes())
    report.print_tables(found, truth, [record.uuid for record in runs.read(folder / "data" / "test")])
    if picture := report.draw(found, truth, folder):
        print(f"Picture: {picture}")


if __name__ == "__main__":
    main()
