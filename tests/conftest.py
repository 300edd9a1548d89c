"""Shared by the rooms: where golden numbers and labelled photos lie; a tiny real checkpoint and a picture for it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

# A busy machine is no failure, so no example has a deadline.
settings.register_profile("ivm", deadline=None, max_examples=50)
settings.load_profile("ivm")

SHARED = Path(__file__).parents[2] / "shared"


def folder(variable: str, name: str) -> Path:
    """The folder that an environment variable names, or else the one beside the project; without it, skip."""
    path = Path(os.environ.get(variable) or SHARED / name)
    if not path.is_dir():
        pytest.skip(f"there is no folder {path}: set {variable} to the one with the {name} files")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder with the original's own outputs."""
    return folder("IVM_GOLDEN", "golden")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with labelled photos."""
    return folder("IVM_DATA", "data")


@pytest.fixture(scope="session")
def toy_nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real ONNX graphs that find red, green and blue where the instruction names them."""
    pytest.importorskip("onnx", reason="the toy checkpoint is written with the package onnx")
    from toy_nano import write_toy_nano

    return write_toy_nano(tmp_path_factory.mktemp("models") / "toy-nano")


@pytest.fixture
def scene() -> NDArray[np.uint8]:
    """A grey picture 128 x 96 (width x height) with a red square at x 32-64, y 16-48 and a blue one at x 80-112."""
    image = np.full((96, 128, 3), 128, np.uint8)
    image[16:48, 32:64] = (255, 0, 0)
    image[16:48, 80:112] = (0, 0, 255)
    return image
