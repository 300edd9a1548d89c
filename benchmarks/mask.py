"""The whole call of `ivm-nano` by stages, and the whole command with the start of its process.

A 640x480 picture, stage by stage, against the largest stage; then a stream; then `ivm mask` as a process, against a
process that only starts Python.

    python -m benchmarks.mask --rounds 30
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

import ivm

PICTURE = Path(__file__).parent.parent / "examples" / "tabletop.jpg"
INSTRUCTION = "pick up the red cup"


def seconds(action: Callable[[], Any]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def stages(masker: ivm.Masker) -> dict[str, Callable[[], Any]]:
    """One call cut into what it does; each stage has what it needs ready."""
    image = ivm.load_image(PICTURE)
    features = masker.model.encode([image])
    prediction = masker.model.predict(features, [INSTRUCTION])
    logits = prediction.logits[0]

    def result() -> ivm.MaskResult:
        return ivm.MaskResult.from_logits(image, logits, found=float(prediction.presence[0]))

    return {
        "decode the JPEG": lambda: ivm.load_image(PICTURE),
        "encode": lambda: masker.model.encode([image]),
        "predict": lambda: masker.model.predict(features, [INSTRUCTION]),
        "soft and hard": lambda: (result()["soft"], result()["hard"]),
        "highlight": lambda: result()["highlight_image"],
        "blur": lambda: result()["blur_image"],
        "all seven": lambda: list(result().values()),
        "whole call, highlight": lambda: masker(image, INSTRUCTION)["highlight_image"],
        "8 questions, one picture": lambda: _many(masker, image),
    }


def _many(masker: ivm.Masker, image: Any) -> None:
    with masker.open(image) as view:
        view.many([f"the {color} cup" for color in ("red", "blue", "green", "white", "pink", "gray", "black", "brown")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="timed rounds of each stage; the median is shown")
    rounds = parser.parse_args().rounds
    masker = ivm.load()
    console = Console()
    actions = stages(masker)
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(seconds(action))
    whole = median(times["whole call, highlight"])
    table = Table("stage, 640x480", "median ms", "against the whole call", box=None)
    for name, taken in times.items():
        table.add_row(name, f"{median(taken) * 1000:.1f}", f"{median(taken) / whole:.2f}")
    console.print(table)

    image = ivm.load_image(PICTURE)
    frames = rounds * 2
    started = time.perf_counter()
    for result in masker.stream([image] * frames, INSTRUCTION):
        _ = result["soft"], result["hard"], result["highlight_image"]
    console.print(
        f"stream: {(time.perf_counter() - started) / frames * 1000:.1f} ms a picture with soft, hard, highlight"
    )

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ivm", "mask", str(PICTURE), INSTRUCTION, "-o", folder, "-q"]
        bare = [sys.executable, "-c", "pass"]
        pairs = [
            (seconds(lambda: subprocess.run(command, check=True)), seconds(lambda: subprocess.run(bare, check=True)))
            for _ in range(5)
        ]
    ours, plain = (median(column) for column in zip(*pairs, strict=True))
    console.print(f"ivm mask, process start included: {ours:.2f} s (a process that only starts Python: {plain:.2f} s)")


if __name__ == "__main__":
    main()
