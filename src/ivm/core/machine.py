"""What this process may use of the machine: a container or `taskset` can leave it less than there is."""

from __future__ import annotations

import os
from pathlib import Path

_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


def available_cores() -> int:
    """CPU cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_limit() -> int | None:
    """Bytes of memory; None where the system does not tell."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        return min(whole, int(_MEMORY_LIMIT.read_text()))
    except (OSError, ValueError):  # no such limit
        return whole
