"""Bars are shown on a terminal, whatever the names in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

CODE = """
from ivm.cli.progress import bar

with bar("looking at {x} [y]") as progress:
    progress(1, 2)
"""


def test_a_name_in_a_bar_is_neither_format_nor_markup(environment):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    shown, terminal = pty.openpty()
    done = subprocess.run([sys.executable, "-c", CODE], stderr=terminal, env=environment, timeout=60)
    os.close(terminal)
    told = b""
    with contextlib.suppress(OSError):  # all was read
        while part := os.read(shown, 1 << 16):
            told += part
    os.close(shown)
    assert done.returncode == 0, told
    assert b"looking at {x} [y]" in told
