"""Every benchmark in one run, under a note of the machine: `python -m benchmarks` or `make bench`.

With names it runs those only: `python -m benchmarks postprocess`.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import runpy
import sys
from pathlib import Path

PACKAGES = ("ivm", "numpy", "opencv-python-headless", "onnxruntime")


def names() -> list[str]:
    """Each file beside this one is a benchmark that runs by itself, too."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def processor() -> str:
    """The processor as the operating system calls it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def note() -> str:
    """What a number needs beside it: the date, the machine and the versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {processor()}, {cores} cores, {platform.system()}, "
        f"Python {platform.python_version()}\n{versions}"
    )


def main(wanted: list[str]) -> None:
    """Run benchmarks one after the other, each as if started by itself."""
    if unknown := set(wanted) - set(names()):
        sys.exit(f"No benchmark is called {', '.join(sorted(unknown))}: there are {', '.join(names())}")
    print(note())
    for name in wanted or names():
        print(f"\n== {name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
