"""The data engine on Ray: records a second with one worker and with two, and what the engine costs beside its model.

The model of the first part sleeps, as if it waited for a GPU of its own: two workers then can be twice as fast although
the machine's cores are few, and all that the engine itself does shows. The second part is ivm-nano, which shares the
cores with everything else. Starting Ray and loading models is left out: time is taken from the first finished shard to
the last. Both counts of workers take turns.

    python -m benchmarks.labeling --shards 24
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ivm.core.model import Prediction, RGBImage
from ivm.data.sources.scenes import SceneSource
from ivm.labeling.building import label_stages
from ivm.labeling.expert import ExpertSpec
from ivm.labeling.on_ray import RayEngine, RaySettings, workers_cpus
from ivm.labeling.run import LabelRun
from ivm.labeling.task import RecordTasks

RECORDS = 16
"""Tasks a shard."""


class SleepingModel:
    """Takes a fixed time for each picture, without work, and finds what is bright."""

    name = "sleeping"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def encode(self, images: Sequence[RGBImage]) -> Sequence[Any]:
        """Sleep, then keep a small grey picture of each."""
        time.sleep(self._seconds * len(images))
        return [image[::8, ::8].mean(axis=2).astype(np.float32) for image in images]

    def predict(self, features: Sequence[Any], instructions: Sequence[str]) -> Prediction:
        """Answer at once."""
        return Prediction([(one - 150) / 20 for one in features], np.full(len(instructions), 0.9, np.float32))


def measure(spec: ExpertSpec, shards: int, folder: Path) -> tuple[float, float]:
    """Label rendered tables.

    Returns:
        Records a second from the first shard to the last, and the model's seconds for one record.
    """
    stages = label_stages(experts=[spec])
    source = RecordTasks(SceneSource(scenes=shards * RECORDS // 2, questions=2, seed=900_300, width=160, height=120))
    run = LabelRun(source=source, folder=folder, name="bench", stages=stages, records=RECORDS)
    engine = RayEngine(RaySettings(object_store_mb=200), None, cpus=workers_cpus(stages))
    done: list[float] = []
    try:
        report = run.run(engine, progress=lambda *_: done.append(time.perf_counter()))
    finally:
        engine.close()
    times = done[1:]  # the first call tells what was done before
    model_s = report.seconds[f"expert {spec.name}: model"] / report.counts[f"expert {spec.name}"]
    # Shards of a first round come all at once from workers that began together.
    skipped = spec.workers
    return (len(times) - skipped) * RECORDS / (times[-1] - times[skipped - 1]), model_s


def compare(name: str, make: Any, shards: int, rounds: int) -> None:
    """Print records a second with one worker and two, and the engine's overhead with one."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    overheads = []
    for _ in range(rounds):
        for workers in rates:
            with tempfile.TemporaryDirectory() as folder:
                rate, model_s = measure(make(workers), shards, Path(folder))
            rates[workers].append(rate)
            if workers == 1:
                overheads.append((1 / rate - model_s) / model_s)
    one, two = median(rates[1]), median(rates[2])
    print(f"{name}: {one:.1f} records/s with 1 worker, {two:.1f} with 2, {two / one:.2f} times")
    print(f"{name}: {median(overheads):.1%} of the model's time on top of it, with 1 worker", flush=True)


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.15, help="that the sleeping model takes for a picture")
    parser.add_argument("--only", choices=("sleeping", "nano"))
    chosen = parser.parse_args()
    if chosen.only != "nano":
        make = partial(SleepingModel, chosen.seconds)
        compare(
            f"a model of {1000 * chosen.seconds:.0f} ms",
            lambda workers: ExpertSpec(name="sleeping", make=make, workers=workers, cpus=0.5),
            chosen.shards,
            chosen.rounds,
        )
    if chosen.only != "sleeping":
        compare(
            "ivm-nano",
            lambda workers: ExpertSpec(name="ivm-nano", model="ivm-nano", workers=workers),
            chosen.shards,
            chosen.rounds,
        )


if __name__ == "__main__":
    main()
