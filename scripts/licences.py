"""Whether the licences of what ivm stands on let an Apache-2.0 project be used as its own licence says.

What each distribution declares is taken from an SBOM (CycloneDX), so that both tell the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from license_expression import AND, OR, ExpressionError, get_spdx_licensing  # type: ignore[import-untyped]

ACCEPTED = {
    # ask for a notice at most
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
    "BSD",  # which of its forms is not said; any of them will do
    "MPL-2.0",  # binds who changes the files under it; ivm changes none and ships none
}  # fmt: skip
"""SPDX's names. The LGPL is not among them, because no distribution here is under it as a whole."""

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""PyPI's older names of licences, after "License :: OSI Approved :: "."""

KNOWN = {
    "protobuf": "BSD-3-Clause",  # "3-Clause BSD License": https://github.com/protocolbuffers/protobuf/blob/main/LICENSE
    "ray": "Apache-2.0",  # "Apache 2.0": https://github.com/ray-project/ray/blob/master/LICENSE
    "transformers": "Apache-2.0",  # "Apache 2.0 License": https://github.com/huggingface/transformers/blob/main/LICENSE
}
"""Licences of those that tell theirs in words of their own, which an SBOM leaves out; their archives have the text."""


@dataclass(frozen=True, slots=True)
class Licensed:
    """A distribution and its licence."""

    name: str
    version: str
    licence: str
    """As an SPDX expression; empty where none is known."""

    @property
    def accepted(self) -> bool:
        """Whether it may be used under licences of `ACCEPTED` alone."""
        return is_accepted(self.licence)


def is_accepted(licence: str) -> bool:
    """Whether an SPDX expression can be met with accepted licences: all parts of an AND, any of an OR."""
    try:
        parsed = get_spdx_licensing().parse(licence)
    except ExpressionError:
        return False
    return parsed is not None and _holds(parsed)


def _holds(part: Any) -> bool:
    if isinstance(part, AND | OR):
        return (all if isinstance(part, AND) else any)(map(_holds, part.args))
    return str(part) in ACCEPTED


def licensed(component: Mapping[str, Any]) -> Licensed:
    """Read a component of an SBOM; all that it declares has to be met."""
    declared = []
    for one in component.get("licenses", ()):
        told = one.get("expression") or one["license"].get("id") or one["license"]["name"]
        told = told.removeprefix("License :: ").removeprefix("OSI Approved :: ")
        declared.append(CLASSIFIERS.get(told, told))
    name = component["name"]
    parts = [KNOWN[name]] if name in KNOWN else list(dict.fromkeys(declared))
    licence = " AND ".join(f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts)
    return Licensed(name, component["version"], licence)


def page(found: Iterable[Licensed]) -> str:
    """A Markdown page: how often each licence stands there, then every distribution."""
    found = sorted(found, key=lambda one: one.name.casefold())
    counts = Counter(one.licence for one in found).most_common()
    lines = ["# Licences of what ivm stands on", "", "| licence | distributions |", "|---|---|"]
    lines += [f"| {licence or 'not known'} | {count} |" for licence, count in counts]
    lines += ["", "| distribution | version | licence |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.version} | {one.licence or 'not known'} |" for one in found]
    return "\n".join(lines) + "\n"
