"""The quick form of each benchmark: a few rows of ratios against the plain way, in seconds rather than minutes.

A function is called like the benchmark whose measuring it uses, and runs in a process of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import mean, median

from benchmarks._rows import Row, peak_megabytes

ROUNDS = 5


def postprocess() -> Iterator[Row]:
    """From logits to seven pictures; one thread, for what else the machine does then counts less."""
    import cv2
    from benchmarks.postprocess import measure

    cv2.setNumThreads(1)
    for megapixels in (0.3, 1.0):
        _, plain, ours = measure(megapixels, 2 * ROUNDS)
        taken = ours["all seven"]
        what = f"all seven pictures of {megapixels:g} megapixels, against plain OpenCV calls, 1 thread"
        yield Row(what=what, ratio=taken / plain["all seven"], value=taken, unit="ms")


def mask() -> Iterator[Row]:
    """The whole call, in time and memory."""
    from benchmarks.mask import INSTRUCTION, PICTURE, seconds, stages

    import ivm

    masker = ivm.load()
    actions = stages(masker)
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(2 * ROUNDS + 1):
        for name, action in actions.items():
            taken = seconds(action)
            if number:
                times[name].append(taken)
    found = {name: median(values) for name, values in times.items()}
    whole, model = found["whole call, highlight"], found["encode"] + found["predict"]
    what = "a whole call with highlight, against the model alone"
    yield Row(what=what, ratio=whole / model, value=1000 * whole, unit="ms")
    many = found["8 questions, one picture"]
    what = "8 questions about one picture, against 8 times the model"
    yield Row(what=what, ratio=many / (8 * model), value=1000 * many, unit="ms")
    with tempfile.TemporaryDirectory() as folder:
        words = ["mask", str(PICTURE), INSTRUCTION, "-o", folder, "-q"]
        run = f"from ivm.cli.app import app\napp({words!r}, standalone_mode=False)"
        ours, bare = peak_megabytes(run), peak_megabytes("import cv2, numpy, onnxruntime")
    what = "memory of ivm mask, against a process that imports ONNX Runtime, OpenCV and NumPy"
    yield Row(what=what, ratio=ours / bare, value=ours, unit="MB")


def data() -> Iterator[Row]:
    """Records from shards, in time and memory."""
    import cv2
    from benchmarks.data import A_SHARD, bare_seconds, make_shards, stream_seconds

    from ivm.data.shards import shards_of

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_shards(folder, 2 * A_SHARD)
        shards = shards_of(folder)
        pairs = [(stream_seconds(shards, 2, 2 * A_SHARD), bare_seconds(shards, 2, 2 * A_SHARD)) for _ in range(3)]
        ours, plain = (median(column) for column in zip(*pairs, strict=True))
        what = "a record of a stream with crop and light, against a loop that only decodes, 2 processes each"
        yield Row(what=what, ratio=ours / plain, value=1000 * ours, unit="ms")
        small, large = (
            peak_megabytes(f"from benchmarks.data import memory_of; memory_of({name!r}, {size})")
            for size in (2_000, 20_000)
        )
        what = "memory of a stream of 20 thousand records, against 2 thousand"
        yield Row(what=what, ratio=large / small, value=large, unit="MB")


def tabletop() -> Iterator[Row]:
    """Rendered tables."""
    from benchmarks.tabletop import seconds

    from ivm.data.coding import decode_picture, encode_picture
    from ivm.data.tabletop.scene import SceneOptions, render

    options = SceneOptions(width=320, height=240)
    image = render((1, 0), options).image  # compiles, too
    ours, plain = [], []
    for start in range(ROUNDS):
        ours.append(seconds(lambda n: render((1, n), options), range(10 * start, 10 * start + 10))[0] / 10)
        plain.append(seconds(lambda _: decode_picture(encode_picture(image)), range(50))[0] / 50)
    what = "a rendered table of 320 x 240, against a JPEG of it written and read, CPU time"
    yield Row(what=what, ratio=median(ours) / median(plain), value=1000 * median(ours), unit="ms")


def training() -> Iterator[Row]:
    """Steps of `ivm train`."""
    import dataclasses
    import itertools

    import torch
    from benchmarks.training import RECIPE, bare, trained

    from ivm.training.nano_data import NanoBatches

    torch.set_num_threads(1)
    recipe = dataclasses.replace(RECIPE, steps=12)
    batches = list(itertools.islice(iter(NanoBatches(recipe)), 4))
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(2):
        plain += bare(recipe, batches, recipe.steps)
        ours += trained(recipe, batches)
    what = "a step of ivm train, against a bare loop over the same tensors"
    yield Row(what=what, ratio=median(ours) / median(plain), value=1000 * median(ours), unit="ms")


def labeling() -> Iterator[Row]:
    """The data engine on Ray."""
    from benchmarks.labeling import SleepingModel, measure

    from ivm.labeling.expert import ExpertSpec

    spec = ExpertSpec(name="sleeping", make=partial(SleepingModel, 0.1), workers=1, cpus=0.5)
    with tempfile.TemporaryDirectory() as folder:
        rate, model = measure(spec, 8, Path(folder))
    what = "a record through the engine on Ray, against its model of 100 ms alone"
    yield Row(what=what, ratio=1 / (rate * model), value=1000 / rate, unit="ms")


def evaluation() -> Iterator[Row]:
    """A whole trial against a scripted server."""
    from benchmarks.evaluation import tried

    with tempfile.TemporaryDirectory() as folder:
        _, times = tried(Path(folder), questions=8, seed=1)
    what = "a trial of 8 questions in 13 ways, against masking and answering one after the other"
    yield Row(what=what, ratio=times["ratio"], value=times["total_s"], unit="s")


def robotics() -> Iterator[Row]:
    """A mask in a control loop."""
    from benchmarks.robotics import Sleeper, frames, step_times

    import ivm
    from ivm.robotics.stream import MaskStream

    shown, model = frames(60, 256), ivm.load().model
    with MaskStream(model, every=1, deadline=None) as each, MaskStream(model, every=5) as fifth:
        plain, ours = mean(step_times(each, shown)), mean(step_times(fifth, shown))
    what = "a frame masked by every 5th's answer, against asking about each, mean"
    yield Row(what=what, ratio=ours / plain, value=ours, unit="ms")
    with MaskStream(Sleeper(), every=5, deadline=0.02) as late:
        slow = mean(step_times(late, shown))
    what = "a frame behind a model of 500 ms and a deadline of 20 ms, against the deadline, mean"
    yield Row(what=what, ratio=slow / 20, value=slow, unit="ms")


def serving() -> Iterator[Row]:
    """The HTTP server."""
    from benchmarks.serving import rates

    bare, served = rates(2)
    ratio = median(ours / plain for ours, plain in zip(served, bare, strict=True))
    what = "pictures a second over HTTP with 16 clients, against Masker.batch"
    yield Row(what=what, ratio=ratio, value=median(served), unit="pictures/s", better="higher")


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    one.__name__: one for one in (postprocess, mask, data, tabletop, training, labeling, evaluation, robotics, serving)
}
"""By the benchmark's name, in the order in which they run."""


def main() -> None:
    """Measure one part and print its rows as JSON, one a line; all else that is printed goes to standard error."""
    import json
    from dataclasses import asdict

    out = os.dup(1)
    os.dup2(2, 1)
    started = time.perf_counter()
    rows = [asdict(row) for row in PARTS[sys.argv[1]]()]
    text = json.dumps({"rows": rows, "seconds": time.perf_counter() - started})
    os.write(out, text.encode())


if __name__ == "__main__":
    main()
