"""API keys from a file and the environment."""

from __future__ import annotations

import pytest

from ivm.core.errors import OptionError
from ivm.serving.keys import KeyRing, load_keys

ONE, TWO, THREE = "a" * 16, "b" * 16, "c" * 20


def test_keys_come_from_both(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# of the robot\n{ONE}  # Anna\n\n")
    ring = load_keys(file, {"IVM_API_KEYS": f"{TWO}, {THREE}"})
    assert [ring.opens(key) for key in (ONE, TWO, THREE, "d" * 16, "", "ä")] == [True, True, True, False, False, False]


def test_without_keys_there_is_no_lock():
    assert not load_keys(None, {})
    assert not KeyRing().opens("")


@pytest.mark.parametrize("key", ["short", "ä" * 16, "with space in the key", "line\x07" * 5])
def test_unusable_keys(key):
    with pytest.raises(OptionError, match="API key 1 must have at least 16"):
        KeyRing([key])


@pytest.mark.parametrize("content", [None, "", "# nothing but this\n", "\xff"])
def test_a_file_that_locks_nothing_is_an_error(tmp_path, content):
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(OptionError, match="file of API keys"):
        load_keys(file, {})
