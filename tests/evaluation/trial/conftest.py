import pytest

from evaluation.squares import trial_of, write_squares


@pytest.fixture
def squares(tmp_path):
    """A folder with six questions about coloured squares."""
    return write_squares(tmp_path / "squares")


@pytest.fixture
def trial():
    """Makes a trial against a server, see `trial_of`."""
    return trial_of
