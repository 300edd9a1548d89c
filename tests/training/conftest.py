"""What all tests of training share."""

import pytest


@pytest.fixture(autouse=True)
def threads():
    """Training takes one thread for itself; give them back."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
