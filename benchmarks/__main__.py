"""Speed and memory of every part, under a note of the machine: `python -m benchmarks all` or `make bench`.

python -m benchmarks all              # quick: one table of ratios, what is over 20 % worse than stored is marked
python -m benchmarks all mask data    # these parts only
python -m benchmarks all --strict     # a regression is an error
python -m benchmarks all --store      # what was measured becomes the stored figures, benchmarks/results
python -m benchmarks postprocess      # one benchmark with all that it prints
"""

from __future__ import annotations

import argparse
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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def note() -> str:
    """What a number needs beside it: the date, the machine and the versions."""
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {processor()}, {cores()} cores, {platform.system()}, "
        f"Python {platform.python_version()}\n{versions}"
    )


def main() -> int:
    """Run benchmarks one after the other, each as if started by itself, or the quick form of all; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", default=["all"], help="benchmarks; all is the quick form")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where something is worse than stored")
    parser.add_argument("--store", action="store_true", help="store what was measured")
    parser.add_argument("--note", default="", help="what else the stored figures should tell of the machine")
    options = parser.parse_args()
    every, *wanted = options.names
    if every == "all":
        from benchmarks._parts import PARTS
        from benchmarks._quick import quick

        check(wanted, list(PARTS), parser)
        print(note(), flush=True)
        machine = {"cpu": ", ".join(filter(None, (processor(), options.note))), "cores": cores()}
        return quick(wanted or list(PARTS), machine, keep=options.store, strict=options.strict)
    check(options.names, names(), parser)
    print(note())
    for name in options.names:
        print(f"\n== {name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


def check(wanted: list[str], known: list[str], parser: argparse.ArgumentParser) -> None:
    """End with a sentence where a name is unknown."""
    if unknown := set(wanted) - set(known):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: there are {', '.join(known)}")


if __name__ == "__main__":
    sys.exit(main())
