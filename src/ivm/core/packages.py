"""Which packages the project asks for, and which are installed: read from what pip keeps, nothing is imported."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass

PROJECT = "ivm"

_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[\w.,-]*\])?\s*(?P<range>[^;]*?)\s*(?:;\s*extra == ['\"](?P<extra>[\w.-]+)['\"])?"
)
"""The form of this project's own requirements: a name, a range of versions, at most the extra it belongs to."""
_BOUND = re.compile(r"\s*(?P<kind>>=|<)\s*(?P<version>\d[\w.]*)\s*")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package that the project asks for."""

    name: str
    """As pip knows it."""
    least: str | None = None
    """Lowest version; None takes any."""
    below: str | None = None
    """Versions must be lower; None takes any."""
    extra: str | None = None
    """The extra that asks for it; None is the base install."""

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read a line such as "torch>=2.6,<3; extra == 'full'".

        Raises:
            ValueError: it has another form.
        """
        found = _REQUIREMENT.fullmatch(text.strip())
        bounds = [_BOUND.fullmatch(one) for one in found["range"].split(",")] if found and found["range"] else []
        if found is None or not all(bounds):
            raise ValueError(f"Expected a requirement such as torch>=2.6,<3; extra == 'full', got {text!r}")
        version = {one["kind"]: one["version"] for one in bounds if one}
        return cls(found["name"], version.get(">="), version.get("<"), found["extra"])

    def lack(self) -> str | None:
        """What is wrong with the package here: its name if it is not installed, else its version and the right one."""
        version = installed(self.name)
        if version is None:
            return self.name
        if self.least is not None and not at_least(version, self.least):
            return f"{self.name} {version} (needs {self.least})"
        if self.below is not None and at_least(version, self.below):
            return f"{self.name} {version} (needs one below {self.below})"
        return None


def requirements(project: str = PROJECT) -> tuple[Requirement, ...]:
    """All packages that an installed project asks for, those of its extras too.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    return tuple(Requirement.parse(text) for text in importlib.metadata.requires(project) or ())


def by_extra(asked: Iterable[Requirement]) -> dict[str | None, list[Requirement]]:
    """Requirements by their extra; None is the base install."""
    groups: dict[str | None, list[Requirement]] = {}
    for one in asked:
        groups.setdefault(one.extra, []).append(one)
    return groups


def installed(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def at_least(version: str, least: str) -> bool:
    """Whether a version is not below another, by their numbers: "2.13.0+cpu" is above "2.6"."""
    return _numbers(version) >= _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with, trailing zeros left away so that 2 and 2.0 are equal."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else [0]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
