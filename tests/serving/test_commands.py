"""Mistakes on the command lines of `ivm serve` and `ivm demo`: one sentence, and an exit code of its own."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from ivm.core import errors

MISTAKES = {
    "a file of keys that is not there": (["--api-keys", "none.txt"], errors.OptionError, "cannot be read"),
    "an origin for all": (["--origin", "*"], errors.OptionError, "not '*'"),
    "a foreign address": (["--host", "192.0.2.7"], errors.ServingError, "choose another with --port"),
    "an unknown model": (["--model", "ivm-nino", "--port", "0"], errors.UnknownModelError, "did you mean ivm-nano"),
}


def fails(arguments: list[str], error: type[errors.IvmError], words: str) -> None:
    line = [sys.executable, "-m", "ivm", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (error.exit_code, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 2, "the sentence, and where to read more"
    assert words in done.stderr


@pytest.mark.parametrize(("arguments", "error", "words"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_told(arguments, error, words):
    fails(["serve", *arguments], error, words)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_that_is_taken_is_told(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        fails([command, "--port", port], errors.ServingError, f"Port {port} of 127.0.0.1")
