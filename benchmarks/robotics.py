"""The robot's parts: the mask step in a control loop, a model that sleeps, the table's speed and memory.

python -m benchmarks.robotics --frames 300 --steps 2000
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import ivm
from ivm.core.model import Prediction, RGBImage
from ivm.robotics.env import TabletopEnv
from ivm.robotics.expert import act
from ivm.robotics.fills import FILLS, filled
from ivm.robotics.stream import MaskStream


class Sleeper:
    """A mask model that takes half a second for a picture."""

    name = "sleeper"

    def encode(self, images: Sequence[RGBImage]) -> Sequence[Any]:
        """Sleep."""
        time.sleep(0.5)
        return [np.ones(image.shape[:2], np.float32) for image in images]

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        """Keep everything."""
        return Prediction(list(features), np.ones(len(features), np.float32))


def frames(count: int, size: int) -> list[tuple[RGBImage, str]]:
    """Pictures of the expert at work, with the instruction of their episode."""
    env, found, seed = TabletopEnv("distractors", size=size), list[tuple[RGBImage, str]](), 0
    while len(found) < count:
        observation, _ = env.reset(seed=seed)
        over, seed = False, seed + 1
        while not over:
            found.append((observation["image"], observation["instruction"]))
            observation, _, done, cut, _ = env.step(act(env))
            over = done or cut
    env.close()
    return found[:count]


def step_times(stream: MaskStream, shown: Sequence[tuple[RGBImage, str]], *, pause: float = 0.0) -> list[float]:
    """Milliseconds of each call, its picture rendered too; `pause` seconds pass between two frames."""
    times, last = [], ""
    for image, instruction in shown:
        if instruction != last:
            stream.reset(instruction)
            last = instruction
        started = time.perf_counter()
        kept = stream(image)
        filled(image, kept.mask, "white")
        times.append((time.perf_counter() - started) * 1e3)
        time.sleep(pause)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    shown, console = frames(arguments.frames, arguments.size), Console()

    table = Table("Mask step", "mean ms", "median", "99 %", "worst", box=None, pad_edge=False)
    model = ivm.load().model
    for name, options, pause in (
        ("ivm-nano, every 5th frame", {"model": model, "every": 5}, 0.0),
        ("the same at 10 frames a second", {"model": model, "every": 5}, 0.1),
        ("ivm-nano, each frame, no deadline", {"model": model, "every": 1, "deadline": None}, 0.0),
        ("sleeps 500 ms, deadline 20 ms", {"model": Sleeper(), "every": 5, "deadline": 0.02}, 0.0),
    ):
        with MaskStream(**options) as stream:  # type: ignore[arg-type]
            times = np.array(step_times(stream, shown[: 60 if pause else None], pause=pause))
        table.add_row(name, *(f"{value:.1f}" for value in _summary(times)))
    console.print(table)

    table = Table("Fill", "ms", box=None, pad_edge=False)
    soft = np.zeros(shown[0][0].shape[:2], np.float32)
    soft[80:140, 80:140] = 1
    for fill in FILLS:
        started = time.perf_counter()
        for image, _ in shown[:30]:
            filled(image, soft, fill)
        table.add_row(fill, f"{(time.perf_counter() - started) / 30 * 1e3:.1f}")
    console.print(table)

    env, rng, over = TabletopEnv(size=arguments.size), np.random.default_rng(0), True
    marks = []
    started = time.perf_counter()
    for number in range(arguments.steps):
        if over:
            env.reset(seed=number)
        _, _, done, cut, _ = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
        over = done or cut
        if number % (arguments.steps // 4) == 0:
            marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    seconds = time.perf_counter() - started
    marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    console.print(f"{arguments.steps} random steps: {arguments.steps / seconds:.0f} a second, MiB at most {marks}")


def _summary(times: Any) -> tuple[float, float, float, float]:
    return float(times.mean()), float(np.median(times)), float(np.percentile(times, 99)), float(times.max())


if __name__ == "__main__":
    main()
