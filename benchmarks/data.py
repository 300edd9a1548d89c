"""Records from shards: speed against a bare decode loop, memory at a million, time to the first one, augmentation.

Pictures are 640x480 JPEGs with run-length masks, made here. The bare loop decodes the same bytes in as many processes
and does nothing else; the stream also reads shards, shuffles, crops and lights, and brings batches to this process.
Both take turns. A million records are a few shards, named again and again; to see what memory they take, all are read
and one in a hundred is decoded.

    python -m benchmarks.data --records 2000 --workers 2
    python -m benchmarks.data --only memory --most 1000000
    python -m benchmarks.data --only augment
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from benchmarks._rows import own_peak_megabytes
from rich.console import Console
from rich.table import Table

from ivm.data.augment import Augment, relit, resized
from ivm.data.record import Record
from ivm.data.shards import Shard, shards_of, write_shard
from ivm.data.stream import RecordStream

SECTIONS = ("speed", "memory", "start", "augment")
AUGMENT = Augment(size=(384, 384), mirror=0.5, light=0.5)
A_SHARD = 500
DECODED = 100


def make_shards(folder: Path, records: int) -> None:
    """Write records of 50 different pictures."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:480, :640]
    base = []
    for number in range(50):
        image = cv2.resize(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
        x, y, r = rng.integers(100, 380, 3)
        mask = (columns - x) ** 2 + (rows - y) ** 2 < (r // 2) ** 2
        base.append((noisy, mask, f"the thing number {number}"))
    made = [
        Record.of(uuid=f"b{i}", image=image, mask=mask, instructions=[text], source="machine", license="CC0-1.0")
        for i, (image, mask, text) in enumerate(base)
    ]
    for start in range(0, records, A_SHARD):
        count = min(A_SHARD, records - start)
        write_shard(folder / f"b-{start // A_SHARD:06d}.tar", (made[(start + i) % len(made)] for i in range(count)))


def bare(shards: list[Path], part: int, parts: int, records: int) -> int:
    """Decode pictures and masks of a share of the records, and drop them."""
    cv2.setNumThreads(1)
    done = 0
    for path in shards[part::parts]:
        with Shard(path) as shard:
            for index in range(len(shard)):
                shard[index].pixels()
                done += 1
                if done * parts >= records:
                    return done
    return done


def bare_seconds(shards: list[Path], processes: int, records: int) -> float:
    """Seconds a record in so many processes, their start not counted."""
    with get_context("spawn").Pool(processes) as pool:
        pool.map(abs, range(processes))
        started = time.perf_counter()
        done = pool.starmap(bare, [(shards, part, processes, records) for part in range(processes)], chunksize=1)
        return (time.perf_counter() - started) / sum(done)


def stream_seconds(shards: list[Path], workers: int, records: int, batch_size: int = 16) -> float:
    """Seconds a record until batches of tensors are in this process, the start of the workers not counted."""
    from ivm.data.loader import RecordLoader, stacked

    stream = RecordStream(shards, transform=AUGMENT, endless=True)
    batches = iter(RecordLoader(stream, batch_size=batch_size, collate=stacked, workers=workers))
    for _ in range(max(1, workers) * 3):  # what the workers have read ahead by now would be counted for nothing
        next(batches)
    count = max(1, records // batch_size)
    started = time.perf_counter()
    for _ in range(count):
        next(batches)
    return (time.perf_counter() - started) / (count * batch_size)


def speed(console: Console, shards: list[Path], workers: int, records: int, rounds: int) -> None:
    cv2.setNumThreads(1)
    processes = max(1, workers)
    names = ("bare loop, 1 process", f"bare loop, {processes} processes", f"stream, {processes} processes")
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        times[names[0]].append(bare_seconds(shards, 1, records))
        times[names[1]].append(bare_seconds(shards, processes, records))
        times[names[2]].append(stream_seconds(shards, workers, records))
    ours = median(times[names[2]])
    table = Table("640x480, the stream to 384x384", "records/s", "stream against it", box=None)
    for name, taken in times.items():
        table.add_row(name, f"{1 / median(taken):.0f}", f"{median(taken) / ours:.2f}")
    console.print(table)


def memory_of(folder: str, records: int) -> None:
    """Run in a process of its own: stream so many records and print what memory and time that took.

    Every record is read and parsed; the pixels of each `DECODED`th are decoded and augmented, for what pixels take is
    given back with each record, and decoding a million pictures would take an hour.
    """
    shards = shards_of(folder)
    repeated = (shards * (records // (A_SHARD * len(shards)) + 1))[: max(1, records // A_SHARD)]
    rng = np.random.default_rng(0)
    started = time.perf_counter()
    done, first = 0, 0.0
    for record in RecordStream(repeated):
        if done % DECODED == 0:
            AUGMENT(record, rng)
        done += 1
        if done == 1:
            first = time.perf_counter() - started
    print(done, own_peak_megabytes(), first, time.perf_counter() - started)


def told_by(code: str) -> list[str]:
    """What a Python process of its own prints."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def memory(console: Console, folder: Path, most: int) -> None:
    sizes = [size for size in (10_000, 100_000, 1_000_000) if size <= most] or [most]
    look = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    interpreter = float(told_by(look)[0]) / 1024 if Path("/proc/self/status").is_file() else 0.0
    table = Table("records", "peak MB above the interpreter", "first record, s", "all, s", box=None)
    for size in sizes:
        done, peak, first, whole = told_by(f"from benchmarks.data import memory_of; memory_of({str(folder)!r}, {size})")
        table.add_row(
            f"{int(done):,}", f"{float(peak) - interpreter:.0f}", f"{float(first):.2f}", f"{float(whole):.0f}"
        )
    console.print(table)


def start(console: Console, folder: Path) -> None:
    """Time from an empty process to the first augmented record: imports, then the stream, small and of a million."""
    code = (
        "import time; t = time.perf_counter()\n"
        "from ivm.data.shards import shards_of; from ivm.data.stream import RecordStream\n"
        "from ivm.data.augment import Augment\n"
        "imported = time.perf_counter()\n"
        f"shards = shards_of({str(folder)!r})\n"
        f"s = RecordStream((shards * 1000)[: {{}} // {A_SHARD}], transform=Augment(size=(384, 384)))\n"
        "next(iter(s)); print(imported - t, time.perf_counter() - imported)"
    )
    table = Table("records", "imports, s", "then the first augmented record, s", box=None)
    for size in (2000, 1_000_000):
        taken = [[float(text) for text in told_by(code.format(size))] for _ in range(3)]
        table.add_row(f"{size:,}", *(f"{median(column):.2f}" for column in zip(*taken, strict=True)))
    console.print(table)


def ways(image: Any, mask: Any) -> Iterator[tuple[str, Any]]:
    """The same crop, mirror and light by each library that is installed."""
    rng = np.random.default_rng(0)

    def opencv() -> None:
        crop = slice(20, 440), slice(30, 590)
        small, small_mask = resized(image[crop], (384, 384)), resized(mask[crop], (384, 384))
        cv2.flip(small_mask, 1)
        relit(np.asarray(cv2.flip(small, 1), np.uint8), 0.5, rng)

    yield "OpenCV (ours)", opencv
    try:
        import albumentations  # type: ignore[import-not-found]

        steps = [
            albumentations.RandomResizedCrop((384, 384), scale=(0.7, 0.7001)),
            albumentations.HorizontalFlip(p=1.0),
            albumentations.ColorJitter(hue=0, saturation=0, p=1.0),
        ]
        compose = albumentations.Compose(steps)
        yield f"albumentations {albumentations.__version__}", lambda: compose(image=image, mask=mask)
    except ImportError:
        pass
    try:
        import kornia.augmentation as kornia  # type: ignore[import-not-found]
        import torch

        torch.set_num_threads(1)
        sequence = kornia.AugmentationSequential(
            kornia.RandomResizedCrop((384, 384), scale=(0.7, 0.7001)),
            kornia.RandomHorizontalFlip(p=1.0),
            kornia.ColorJitter(0.2, 0.2, 0.0, 0.0, p=1.0),
            data_keys=["input", "mask"],
        )

        def by_kornia() -> None:
            tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
            sequence(tensor, torch.from_numpy(mask)[None, None].float() / 255)

        yield "kornia", by_kornia
    except ImportError:
        pass


def augment(console: Console, rounds: int) -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    mask = np.where(rng.random((480, 640)) < 0.5, 0, 255).astype(np.uint8)
    actions = dict(ways(image, mask))
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + 2):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if number >= 2:
                times[name].append(time.perf_counter() - started)
    table = Table("crop, mirror, light: 640x480 to 384x384", "median ms", box=None)
    for name, taken in times.items():
        table.add_row(name, f"{median(taken) * 1000:.2f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000, help="timed records of the speed section, each round")
    parser.add_argument("--workers", type=int, default=2, help="processes of the speed section")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; medians are shown")
    parser.add_argument("--most", type=int, default=1_000_000, help="greatest number of records of the memory section")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="may be repeated; all by default")
    options = parser.parse_args()
    wanted = options.only or SECTIONS
    console = Console()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if set(wanted) - {"augment"}:
            make_shards(folder, max(4 * A_SHARD, options.records))
        if "speed" in wanted:
            speed(console, shards_of(folder), options.workers, options.records, options.rounds)
        if "memory" in wanted:
            memory(console, folder, options.most)
        if "start" in wanted:
            start(console, folder)
        if "augment" in wanted:
            augment(console, 20 * options.rounds)


if __name__ == "__main__":
    main()
