"""What `ivm doctor` finds without loading anything: Python, the packages of each extra, the machine, and the hub.

`inference/checkup.py` has the checks that run the model.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import metadata
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ivm.core.extras import install_line
from ivm.core.hub import cache_root, is_offline
from ivm.core.machine import available_cores, memory_limit
from ivm.core.packages import PROJECT, at_least, by_extra, installed, requirements

State = Literal["works", "missing", "broken"]
"""What is missing takes something away that not everybody needs; what is broken, the base install."""

REINSTALL = f"pip install --force-reinstall {PROJECT}"
HUB = "https://huggingface.co"
HUB_SECONDS = 5.0
"""How long the hub may take to answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What one look at this machine found."""

    name: str
    state: State
    told: str
    """For people, one line."""
    remedy: str | None = None
    """The line that mends it, to be typed or read; None where nothing is to be mended."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs."""

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def check_python() -> Check:
    """Python's version against what the project asks for."""
    version, wanted = platform.python_version(), (metadata(PROJECT)["Requires-Python"] or "").lstrip(">= ")
    right = at_least(version, wanted or "0")
    return Check(
        name="Python",
        state="works" if right else "broken",
        told=f"{version}, {sys.executable}" + ("" if right else f", but {PROJECT} needs {wanted}"),
        remedy=None if right else f"install Python {wanted} or newer, then: pip install {PROJECT}",
        details={"version": version, "executable": sys.executable},
    )


def check_packages(project: str = PROJECT) -> list[Check]:
    """The base install's packages, then those of each extra."""
    checks = []
    groups = by_extra(requirements(project))
    for extra in sorted(groups, key=lambda name: name or ""):
        lacking = [lack for one in groups[extra] if (lack := one.lack())]
        versions = {one.name: installed(one.name) for one in groups[extra]}
        told = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        checks.append(
            Check(
                name=f"extra {extra}" if extra else "packages",
                state="missing" if lacking else "works",
                told=f"not installed: {', '.join(lacking)}" if lacking else told,
                remedy=(install_line(extra) if extra else REINSTALL) if lacking else None,
                details={"extra": extra, "versions": versions, "lacking": lacking},
            )
        )
    return checks


def check_machine() -> Check:
    """CPU threads and memory that this process may use; a container's limits count."""
    may, memory = available_cores(), memory_limit()
    size = f", {memory / 2**30:.1f} GiB of memory" if memory else ""
    return Check(
        name="machine",
        state="works",
        told=f"{may} of {os.cpu_count()} CPU threads{size}; {platform.system()} {platform.machine()}",
        details={"threads": may, "memory": memory, "system": platform.system(), "architecture": platform.machine()},
    )


def check_hub(*, online: bool = False) -> Check:
    """Where weights of other models come from and go to.

    Args:
        online: ask the hub whether it is there; else nothing leaves this machine.
    """
    address = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    cache, offline = cache_root(), is_offline()
    details = {"address": address, "cache": str(cache), "offline": offline, "reached": None}
    where = f"cache {cache}" + ("" if cache.is_dir() else " (made when needed)")
    if offline:
        return Check(name="hub", state="works", told=f"not asked: HF_HUB_OFFLINE is set; {where}", details=details)
    if not online:
        told = f"{address} (not asked without --online); {where}"
        return Check(name="hub", state="works", told=told, details=details)
    why = _unreachable(address)
    details["reached"] = why is None
    if why is None:
        return Check(name="hub", state="works", told=f"{address} answers; {where}", details=details)
    return Check(
        name="hub",
        state="missing",
        told=f"{address} does not answer ({why}); {where}",
        remedy="set HF_ENDPOINT to a mirror, or HF_HUB_CACHE to a folder that holds the weights",
        details=details,
    )


def _unreachable(address: str) -> str | None:
    """Why the hub gives no answer; None where it gives any, an error among them."""
    try:
        if urlsplit(address).scheme not in ("http", "https"):
            return "HF_ENDPOINT is no web address"
        with urlopen(Request(address, method="HEAD"), timeout=HUB_SECONDS):
            return None
    except HTTPError:
        return None
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
