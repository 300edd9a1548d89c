"""Runs `python -m ivm` as a process of its own, in an empty folder with a picture in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def place(tmp_path, scene, monkeypatch) -> Path:
    """The current folder: `scene.png` and nothing else."""
    Image.fromarray(scene).save(tmp_path / "scene.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(toy_nano) -> list[str]:
    """The start of a command line that masks with the toy model."""
    return [sys.executable, "-m", "ivm", "mask", "--model", str(toy_nano)]


@pytest.fixture
def environment() -> dict[str, str]:
    """A wide, plain terminal."""
    return os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}


@pytest.fixture
def mask(place, command, environment) -> Run:
    """Run `ivm mask` with the toy model; keyword arguments go to `subprocess.run`."""

    def run(*arguments, **options):
        line = [*command, *map(str, arguments)]
        if "stdout" not in options:
            options["stdout"] = subprocess.PIPE
        return subprocess.run(line, stderr=subprocess.PIPE, env=environment, cwd=place, timeout=60, **options)

    return run
