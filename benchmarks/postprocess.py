"""From logits to the paper's seven outputs: `MaskResult` against the original's post-processing written plainly.

The plain way makes the same OpenCV calls in float32 on the full picture. Both start from the same picture and logits,
render all seven outputs, and take turns in one process.

    python -m benchmarks.postprocess --megapixels 0.3 3 12 --rounds 5
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ivm.masking import PAPER_KEYS, MaskResult

Outputs = dict[str, NDArray[Any]]
Stages = Iterator[tuple[str, NDArray[Any]]]


def scene(megapixels: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A lit table with coloured things and camera noise, 4:3, and a model's logits (256, 256) for two of the things."""
    random = np.random.default_rng(7)
    height = round((megapixels * 0.75e6) ** 0.5)
    width = round(height * 4 / 3)
    light = np.linspace(225, 150, width, dtype=np.float32) * np.linspace(1, 0.8, height, dtype=np.float32)[:, None]
    picture = np.repeat(light[:, :, None], 3, axis=2)
    for _ in range(24):
        center = int(random.uniform(0, width)), int(random.uniform(0, height))
        axes = int(random.uniform(0.02, 0.1) * width), int(random.uniform(0.02, 0.1) * width)
        cv2.ellipse(picture, center, axes, random.uniform(0, 180), 0, 360, random.uniform(0, 255, 3).tolist(), -1)
    picture += 4 * random.standard_normal((height, width, 3), np.float32)

    y, x = np.mgrid[:256, :256].astype(np.float32)
    things: list[NDArray[np.float32]] = [
        9 - np.hypot((x - cx) / rx, (y - cy) / ry) * 10 for cx, cy, rx, ry in ((80, 110, 45, 60), (190, 160, 38, 30))
    ]
    logits = np.stack(things).max(axis=0) + random.normal(0, 0.3, (256, 256))
    return np.clip(picture, 0, 255).astype(np.uint8), np.clip(logits, -8, 8).astype(np.float32)


def naive(image: NDArray[np.uint8], logits: NDArray[np.float32]) -> Stages:
    """The original's post-processing at threshold 0.5, dilation 21, blur 201, on white; pictures are float32."""
    size = image.shape[1], image.shape[0]
    soft = 1 / (1 + np.exp(-cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR)))
    yield "soft", soft
    grown = cv2.dilate((soft > 0.5).astype(np.uint8), np.ones((21, 21), np.uint8))
    hard = cv2.GaussianBlur(grown.astype(np.float32), (21, 21), 0)
    yield "hard", hard
    picture, weights = image.astype(np.float32), hard[:, :, None]
    blur = weights * picture + (1 - weights) * cv2.GaussianBlur(picture, (201, 201), 0)
    yield "blur_image", blur
    highlight = weights * picture + (1 - weights) * np.array([255, 255, 255], np.float32)
    yield "highlight_image", highlight
    rows, columns = np.flatnonzero((hard > 0).any(axis=1)), np.flatnonzero((hard > 0).any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    yield "cropped_blur_img", blur[box]
    yield "cropped_highlight_img", highlight[box]
    yield "alpha_image", np.concatenate([picture, weights * 255], axis=2)


def ours(image: NDArray[np.uint8], logits: NDArray[np.float32]) -> Stages:
    """The same by `MaskResult`; the time to build it counts for the first output."""
    result = MaskResult.from_logits(image, logits)
    for key in PAPER_KEYS:
        yield key, result[key]


def timed(way: Callable[..., Stages], *inputs: NDArray[Any]) -> tuple[Outputs, dict[str, float]]:
    """All outputs of one run, and the milliseconds that each took."""
    outputs: Outputs = {}
    times: dict[str, float] = {}
    start = time.perf_counter()
    for key, array in way(*inputs):
        now = time.perf_counter()
        outputs[key], times[key] = array, 1000 * (now - start)
        start = time.perf_counter()
    return outputs, times


def difference(plain: Outputs, mine: Outputs) -> float:
    """The largest difference of any value of any output, in units of 1/255 of full scale."""

    def levels(array: NDArray[Any]) -> NDArray[np.float32]:
        return array.astype(np.float32) * (255 if array.ndim == 2 else 1)

    return max(float(np.abs(levels(plain[key]) - levels(mine[key])).max()) for key in PAPER_KEYS)


def measure(megapixels: float, rounds: int) -> tuple[float, dict[str, float], dict[str, float]]:
    """The largest difference, and the median milliseconds of each output: naive, ours. One round warms up."""
    inputs = scene(megapixels)
    times: dict[Callable[..., Stages], dict[str, list[float]]] = {naive: defaultdict(list), ours: defaultdict(list)}
    apart = difference(timed(naive, *inputs)[0], timed(ours, *inputs)[0])
    for turn in range(rounds):
        for way in (naive, ours) if turn % 2 == 0 else (ours, naive):
            stages = timed(way, *inputs)[1]
            for key, value in (*stages.items(), ("all seven", sum(stages.values()))):
                times[way][key].append(value)
    plain, mine = ({key: median(values) for key, values in times[way].items()} for way in (naive, ours))
    return apart, plain, mine


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.postprocess", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.3, 3, 12], help="picture sizes to measure")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each way (default 5)")
    options = parser.parse_args()
    if options.rounds < 1 or min(options.megapixels) <= 0:
        parser.error("sizes must be above 0, rounds at least 1")

    table = Table(title=f"Seven outputs from logits: median milliseconds of {options.rounds} rounds in turns")
    for heading in ("megapixels", "output", "naive", "ours", "ratio", "largest difference"):
        table.add_column(heading, justify="left" if heading == "output" else "right", no_wrap=heading == "output")
    for megapixels in options.megapixels:
        apart, plain, mine = measure(megapixels, options.rounds)
        for key in ("all seven", *PAPER_KEYS):
            total = key == "all seven"
            ratio = f"{plain[key] / mine[key]:.1f} x" if mine[key] >= 0.05 else ""
            first, last = (f"{megapixels:g}", f"{apart:.2f} of 255") if total else ("", "")
            row = (first, key, f"{plain[key]:.1f}", f"{mine[key]:.1f}", ratio, last)
            table.add_row(*row, style="bold" if total else "dim", end_section=key == PAPER_KEYS[-1])
    Console().print(table)


if __name__ == "__main__":
    main()
