"""The checks of `ivm doctor` that run in processes of their own: side by side, and a crash of one harms no other.

    python -m ivm.cli.doctor_probes NAME

prints each check as a line of JSON.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ivm.core.checkup import REINSTALL, Check
from ivm.core.errors import DeviceError, IvmError, OutputError

SECONDS = 120.0
"""How long a probe may take before it counts as hanging."""


def model() -> Iterator[Check]:
    """The embedded model at work."""
    from ivm.inference.checkup import check_model

    yield from check_model()


def video() -> Iterator[Check]:
    """Whether films of rollouts can be written, and read again."""
    import cv2
    import numpy as np

    from ivm.robotics.video import Film

    film, frame = Film("ivm doctor"), np.zeros((32, 32, 3), np.uint8)
    film(frame, None, frame)
    with tempfile.TemporaryDirectory() as folder:
        try:
            right = cv2.VideoCapture(str(film.save(Path(folder) / "film.mp4"))).read()[0]
        except OutputError:
            right = False
    yield Check(
        name="video",
        state="works" if right else "missing",
        told="OpenCV writes and reads MP4" if right else "this OpenCV writes no MP4: ivm robot keeps no films",
        remedy=None if right else "pip install --force-reinstall opencv-python-headless",
    )


def drawing() -> Iterator[Check]:
    """Whether MuJoCo has an OpenGL to draw with."""
    from ivm.data.tabletop.mujoco_gl import REMEDY, backend, open_context

    name = "OpenGL for MuJoCo"
    try:
        open_context(8, 8).free()
        yield Check(name=name, state="works", told=f"draws with {backend()}", details={"backend": backend()})
    except DeviceError as error:
        yield Check(name=name, state="missing", told=str(error).removesuffix(f": {REMEDY}"), remedy=REMEDY)


def torch() -> Iterator[Check]:
    """PyTorch and what it computes on."""
    from ivm.core.extras import optional

    library: Any = optional("torch")
    devices = [library.cuda.get_device_name(number) for number in range(library.cuda.device_count())]
    told = f"CUDA {library.version.cuda}: {', '.join(devices)}" if devices else "on the CPU: it sees no CUDA"
    details = {"version": library.__version__, "cuda": library.version.cuda, "devices": devices}
    yield Check(name="PyTorch", state="works", told=f"{library.__version__}, {told}", details=details)


PROBES = {"model": model, "video": video, "drawing": drawing, "torch": torch}
BASE = "model"
"""The probe whose failure means that the base install is broken."""


@contextmanager
def running(names: Iterable[str]) -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """Start probes side by side; those that still run in the end are killed."""
    started: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in names:
            line = [sys.executable, "-m", __spec__.name, name]
            started[name] = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.communicate()


def found(name: str, process: subprocess.Popen[str], seconds: float = SECONDS) -> list[Check]:
    """Wait for a probe; its checks, and one more that tells its end where that was not a good one."""
    try:
        printed, complained = process.communicate(timeout=seconds)
        failure = _failure(process.returncode, complained)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, _ = process.communicate()
        failure = f"gave no answer in {seconds:g} seconds"
    checks = [Check(**json.loads(line)) for line in printed.splitlines() if line.startswith("{")]
    if failure is not None:
        base = name == BASE
        checks.append(
            Check(
                name=name,
                state="broken" if base else "missing",
                told=failure,
                remedy=REINSTALL if base else f"look at all it says: python -m {__spec__.name} {name}",
            )
        )
    return checks


def _failure(code: int, complained: str) -> str | None:
    """How a process ended, in a few words; None for a good end."""
    if code == 0:
        return None
    if code < 0:
        return f"crashed with {signal.Signals(-code).name}"
    lines = complained.strip().splitlines()
    return lines[-1] if lines else f"ended with exit code {code}"


if __name__ == "__main__":
    try:
        for one in PROBES[sys.argv[1]]():
            print(json.dumps(one.to_json()), flush=True)
    except IvmError as error:
        sys.exit(str(error))
