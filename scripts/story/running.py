"""Runs the steps that are not done, and keeps of each what it printed and what it took."""

from __future__ import annotations

import datetime
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ivm.core.files import write_files

from .plan import FOLDER, Step

COLUMNS = 100
"""Width that commands print for."""


class StepError(Exception):
    """A step ended with an error; the exit code is the step's own."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Done:
    """What is kept of a step that was run."""

    command: str
    date: str
    """UTC, to the second."""
    wall_s: float
    cpu_s: float
    """Of the command and its children, user and system."""
    printed: str
    """Its standard output."""
    finished: float
    """Seconds since 1970."""


def read(step: Step) -> Done | None:
    """What is kept of a step; None where it has not been run, or was another command then."""
    try:
        done = Done(**json.loads(_record(step).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return done if done.command == step.command else None


def is_done(step: Step, steps: Mapping[str, Step]) -> bool:
    """Whether a step's result is there, and newer than all that it was made of."""
    done = read(step)
    if done is None or not (FOLDER / step.makes).exists():
        return False
    before = [read(steps[name]) for name in step.uses]
    return all(one is not None and one.finished <= done.finished for one in before)


def run(steps: Sequence[Step]) -> list[Done]:
    """Run what is not done, one line a step.

    Raises:
        StepError: a step failed; what is done stays done.
    """
    known = {step.name: step for step in steps}
    found = []
    for number, step in enumerate(steps, start=1):
        lead = f"{number:2}/{len(steps)}  {step.name:15}"
        skipped = is_done(step, known)
        if not skipped:
            print(f"{lead} {step.command}", flush=True)
            _run(step)
        done = read(step)
        assert done is not None, "it was run, or was done"
        told = f"{done.wall_s:6.1f} s, {done.cpu_s:6.1f} s of CPU"
        print(f"{lead} {told}{' (done before)' if skipped else ''}", flush=True)
        found.append(done)
    return found


def _run(step: Step) -> None:
    """Run one step and keep what it printed.

    Raises:
        StepError: it failed.
    """
    out, log = (_record(step).with_suffix(suffix) for suffix in (".out", ".log"))
    log.parent.mkdir(parents=True, exist_ok=True)
    program, *arguments = step.words
    line = [sys.executable, "-m", "ivm", *arguments] if program == "ivm" else [sys.executable, *arguments]
    calm = {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
    started, used = time.perf_counter(), _cpu()
    with out.open("wb") as told, log.open("wb") as aside:
        process = subprocess.Popen(line, env={**os.environ, **calm}, stdout=told, stderr=aside)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.wait()  # it has heard Ctrl-C, too, and keeps what it has done
            raise
    wall, cpu = time.perf_counter() - started, _cpu() - used
    if code:
        raise StepError(
            f"the step {step.name!r} failed ({_last_error(log)}); all that it said is in {log}; run the same command "
            "again to go on from here",
            code if code > 0 else 128 - code,
        )
    now = datetime.datetime.now(datetime.UTC)
    kept = Done(
        command=step.command,
        date=f"{now:%Y-%m-%d %H:%M:%S}",
        wall_s=round(wall, 1),
        cpu_s=round(cpu, 1),
        printed=out.read_text(encoding="utf-8", errors="replace"),
        finished=now.timestamp(),
    )
    write_files([(_record(step), json.dumps(asdict(kept), indent=1).encode())])


def _last_error(log: Path) -> str:
    """The last line that tells an error, or else the last one."""
    said = [text.strip() for text in log.read_text(encoding="utf-8", errors="replace").splitlines() if text.strip()]
    errors = [text for text in said if "error" in text.casefold().split(":")[0]]
    return (errors or said or ["it said nothing"])[-1]


def _record(step: Step) -> Path:
    return FOLDER / "steps" / f"{step.name.replace(' ', '-')}.json"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
