"""What goes wrong in tests of several rooms: a full disk, and a checkpoint with code in it."""

from __future__ import annotations

import resource
from pathlib import Path


def no_large_files() -> None:
    """Let files grow to 2000 bytes only, which stands for a full disk; for `preexec_fn`."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")
