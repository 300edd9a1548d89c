"""`ivm eval diff`: what is different between two reports, question by question where they asked the same.

Reports are those of `ivm eval lmm`, where each way of asking is compared, and those of `ivm eval masks`, where IoU and
pointing are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivm.core.errors import RecordError
from ivm.evaluation.outcome.paired import Comparison, compare
from ivm.evaluation.outcome.session import FORMAT, REPORT, VERSION


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two reports held against each other.

    Attributes:
        settings: what was set otherwise: name, in the first, in the second.
        comparisons: of each arm that both have, second report less first.
        only_first: arms that only the first has.
        only_second: arms that only the second has.
        same_questions: whether both asked the same questions; where not, only the common ones are compared.
    """

    settings: tuple[tuple[str, str, str], ...]
    comparisons: tuple[Comparison, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    same_questions: bool

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {**self.__dict__, "comparisons": [one.to_json() for one in self.comparisons]}


def read_report(path: Path) -> dict[str, Any]:
    """Read a report of `ivm eval lmm`, from its file or its folder, or one of `ivm eval masks`.

    Returns:
        `origin` and `outcomes`; of masks each question is an outcome by IoU and, where something is there, by pointing.

    Raises:
        RecordError: it cannot be read, or is no such report.
    """
    file = path / REPORT if path.is_dir() else path
    try:
        told = json.loads(file.read_bytes())
    except OSError as error:
        raise RecordError(f"'{file}' cannot be read ({error.strerror}): give a report.json, or its folder") from None
    except ValueError as error:
        raise RecordError(f"'{file}' is not JSON ({error}): give a report.json of ivm eval lmm") from None
    if isinstance(told, dict) and {"scores", "total", "weights"} <= set(told):
        return _of_masks(told, file)
    if not isinstance(told, dict) or told.get("format") != FORMAT or told.get("version") != VERSION:
        raise RecordError(f"'{file}' is no report: give the report.json of ivm eval lmm, or a file of ivm eval masks")
    return told


def _of_masks(told: dict[str, Any], file: Path) -> dict[str, Any]:
    try:
        outcomes: list[dict[str, Any]] = [
            {"arm": arm, "question": str(row["id"]), "score": float(row[key]), "checksum": str(row["group"])}
            for arm, key in (("IoU", "iou"), ("pointing", "hit"))
            for row in told["scores"]
            if row[key] is not None
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"'{file}' lacks scores ({error!r}): ask again with ivm eval masks --json") from None
    asked = hashlib.sha256("\n".join(sorted({row["question"] for row in outcomes})).encode()).hexdigest()
    settings = {name: told.get(name) for name in ("version", "model", "weights", "data", "split", "threshold")}
    return {"origin": settings | {"suite": {"sha256_questions": asked}}, "outcomes": outcomes}


def difference(first: dict[str, Any], second: dict[str, Any]) -> Difference:
    """Hold two reports against each other."""
    scores = [_scores(report) for report in (first, second)]
    pictures = _pictures(first) | _pictures(second)
    common = [arm for arm in scores[0] if arm in scores[1]]
    compared = [
        compare(scores[0][arm], scores[1][arm], {name: pictures[name] for name in scores[0][arm]}, names=(arm, arm))
        for arm in common
    ]
    before, after = (dict(_flat(report["origin"])) for report in (first, second))
    return Difference(
        settings=tuple(
            (name, before.get(name, "-"), after.get(name, "-"))
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        ),
        comparisons=tuple(one for one in compared if one is not None),
        only_first=tuple(arm for arm in scores[0] if arm not in scores[1]),
        only_second=tuple(arm for arm in scores[1] if arm not in scores[0]),
        same_questions=first["origin"]["suite"]["sha256_questions"] == second["origin"]["suite"]["sha256_questions"],
    )


_PASSING = ("command", "date", "times", "usage", "leaks")
"""What differs from run to run and says nothing of the numbers."""


def _scores(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for row in report["outcomes"]:
        table.setdefault(row["arm"], {})[row["question"]] = float(row["score"])
    return table


def _pictures(report: dict[str, Any]) -> dict[str, str]:
    """A name of its picture for each question; a question without one stands for itself."""
    return {row["question"]: row["checksum"] or row["question"] for row in report["outcomes"]}


def _flat(told: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in told.items():
        if not before and name in _PASSING:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)
