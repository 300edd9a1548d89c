"""Tiny experts on disk, one folder each, and pictures for them."""

from __future__ import annotations

import numpy as np
import pytest
import transformers

import tiny_experts


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders by the experts' names, and "sam"."""
    home = tmp_path_factory.mktemp("experts")
    transformers.utils.logging.disable_progress_bar()
    names = ("clipseg", "owlv2", "grounding_dino", "florence2", "sam")
    return {name.replace("_", "-"): getattr(tiny_experts, f"tiny_{name}")(home / name) for name in names}


@pytest.fixture(scope="session")
def pictures():
    """Two pictures of different shape, (40, 64, 3) and (72, 48, 3)."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in ((40, 64), (72, 48))]
