import numpy as np
import pytest

from ivm.models.ivm7b.load import load_ivm7b
from tiny_ivm7b import write_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The three sources of a tiny model; nobody writes into them."""
    return write_tiny(tmp_path_factory.mktemp("tiny-ivm7b"))


@pytest.fixture
def load(tiny):
    """Load the tiny model on the CPU, with options of one's own."""

    def make(source=None, **options):
        options = {"sam": tiny.sam, "llava": tiny.llava, "device": "cpu"} | options
        return load_ivm7b(source or tiny.trained, **options)

    return make


@pytest.fixture
def pictures():
    """Five pictures of several sizes."""
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (40 + 8 * i, 90 - 8 * i, 3), np.uint8) for i in range(5)]
