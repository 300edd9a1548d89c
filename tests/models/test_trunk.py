"""The trunk of ivm-nano computes what the network computes whose weights it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ivm.core.errors import CheckpointError
from ivm.models.nano.config import NanoConfig
from ivm.models.nano.encoder import Trunk, load_trunk

WEIGHTS = Path(__file__).parents[2] / "recipes" / "mobilenet-v2.safetensors"


def test_its_first_map_is_that_of_the_original():
    """The numbers are LiteRT's, on the file that the weights are from; up to here its sides halve evenly."""
    y, x = np.mgrid[:300, :300]
    image = np.stack([(2 * x + y) % 256, (x + 3 * y) % 256, (x * y) % 256]).astype(np.float32)
    trunk = Trunk(NanoConfig()).eval()
    load_trunk(trunk, WEIGHTS)
    with torch.no_grad():
        found = trunk(torch.from_numpy(image)[None] / 127.5 - 1)[0][0]
    assert found.shape == (24, 75, 75)
    wanted = [1.5576, -4.2775, -3.3770, -0.0470, 5.7442, 2.0957], [-3.7367, -2.4103, 13.8376, 7.5470, -8.2686, 4.1837]
    assert found[:6, 10, 20].tolist() == pytest.approx(wanted[0], abs=2e-3)
    assert found[:6, 74, 74].tolist() == pytest.approx(wanted[1], abs=2e-3)
    assert float(found.abs().mean()) == pytest.approx(3.70318, abs=1e-3)


def test_weights_of_another_network_are_refused():
    trunk = Trunk(NanoConfig(widths=(8,) * 7))
    with pytest.raises(CheckpointError, match="mobilenet-v2"):
        load_trunk(trunk, WEIGHTS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        load_trunk(Trunk(NanoConfig()), tmp_path / "nothing.safetensors")
