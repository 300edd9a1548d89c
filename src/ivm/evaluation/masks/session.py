"""What `ivm eval masks` does: read, ask, print, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ivm.core.errors import IvmError, RecordError
from ivm.core.files import write_files
from ivm.data.faults import Fault
from ivm.evaluation.masks.scoring import MaskScore, score_mask
from ivm.evaluation.masks.sets import MaskQuestion
from ivm.evaluation.masks.summary import MaskSummary
from ivm.inference.masker import Masker

if TYPE_CHECKING:
    from rich.console import Console

AT_ONCE = 16
"""Questions about one picture that the model answers in one call."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One question's score, and what went wrong with it, if anything did."""

    score: MaskScore
    fault: str = ""


def score_all(masker: Masker, questions: Iterable[MaskQuestion | Fault], threshold: float = 0.5) -> Iterator[Scored]:
    """Ask every question, a picture at a time; the mask is `MaskResult.binary`, empty where `found` is below 0.5.

    A question that cannot be asked (a missing picture, a broken mask, a failing model) is scored as a miss: IoU 0,
    pointing 0, `found` 0. It stays in every denominator.

    Raises:
        ThresholdError: the threshold is not a number in [0, 1].
    """
    for _, items in groupby(questions, key=lambda item: id(item) if isinstance(item, Fault) else item.picture):
        asked = list(items)
        yield from (Scored(_lost(one.uuid or one.where), str(one)) for one in asked if isinstance(one, Fault))
        together = [one for one in asked if isinstance(one, MaskQuestion)]
        for start in range(0, len(together), AT_ONCE):
            yield from _score(masker, together[start : start + AT_ONCE], threshold)


def _score(masker: Masker, asked: list[MaskQuestion], threshold: float) -> Iterator[Scored]:
    results = masker.batch(asked[0].picture, [one.instruction for one in asked], threshold=threshold, on_error="return")
    for one, result in zip(asked, results, strict=True):
        if isinstance(result, IvmError):
            yield Scored(_lost(one.id, one), f"{one.id}: {result}")
            continue
        if result.binary.shape != one.truth.shape:
            yield Scored(_lost(one.id, one), f"{one.id}: the true mask has another size than its picture")
            continue
        score = score_mask(
            result.binary,
            one.truth,
            heatmap=result.soft,
            found=1.0 if result.found is None else result.found,
            id=one.id,
            group=one.group,
            category=one.category,
            present=one.present,
        )
        yield Scored(score)


def _lost(name: str, question: MaskQuestion | None = None) -> MaskScore:
    """A miss; its union counts what was to be found, or one pixel where not even that is known."""
    area = int(np.count_nonzero(question.truth == 1)) if question else 0
    return MaskScore(
        id=name,
        group=question.group if question else name,
        category=question.category if question else "broken",
        present=question.present if question else True,
        intersection=0,
        union=max(1, area),
        empty=not (question and not question.present),
        hit=0.0,
        box_iou=0.0,
        found=0.0,
    )


def evaluate_masks(
    masker: Masker,
    questions: Iterable[MaskQuestion | Fault],
    *,
    origin: dict[str, Any],
    threshold: float = 0.5,
    json_file: Path | None = None,
    json_to: Callable[[str], None] | None = None,
    console: Console,
) -> MaskSummary:
    """Ask, print the metrics and write them.

    Args:
        masker: the model.
        questions: see `open_masks` and `rendered_masks`.
        origin: what was run, written into the file: command, version, model, weights, data.
        threshold: in [0, 1].
        json_file: gets everything as JSON, each question too.
        json_to: is called with the same, after the report is printed.
        console: for the report; progress goes to stderr.

    Raises:
        ThresholdError: the threshold is not a number in [0, 1].
        OutputError: the file cannot be written.
        RecordError: there is no question.
    """
    from rich.console import Console
    from rich.progress import track

    aside = Console(stderr=True)
    scored = list(
        track(
            score_all(masker, questions, threshold),
            "Asking",
            console=aside,
            transient=True,
            disable=not aside.is_terminal,
        )
    )
    if not scored:
        raise RecordError("There is no question in this data set: check its path and the split")
    summary = MaskSummary(tuple(one.score for one in scored))
    faults = [one.fault for one in scored if one.fault]
    print_masks(summary, faults, console)
    if json_file is not None or json_to is not None:
        told = {
            **origin,
            "threshold": threshold,
            "total": summary.to_json(),
            "by_category": {name: part.to_json() for name, part in summary.by_category().items()},
            "faults": faults,
            "scores": [asdict(one.score) | {"iou": one.score.iou} for one in scored],
        }
        text = json.dumps(told, indent=1, ensure_ascii=False)
        if json_file is not None:
            write_files([(json_file, text.encode())])
        if json_to is not None:
            json_to(text)
    return summary


def print_masks(summary: MaskSummary, faults: list[str], console: Console) -> None:
    """Print one row a category and one for all, then presence, then what was counted as a miss."""
    from rich.markup import escape
    from rich.table import Table

    columns = ("n", "gIoU", "cIoU", "Pr@0.5", "Pr@0.9", "box", "pointing", "N-acc")
    table = Table("Questions", *columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    parts = summary.by_category()
    for name, part in [*(parts.items() if len(parts) > 1 else ()), ("all", summary)]:
        told = part.to_json()
        pointing = told["pointing"]
        values = (
            told["gIoU"]["mean"],
            told["cIoU"],
            told["Pr@0.5"],
            told["Pr@0.9"],
            told["box_accuracy"],
            pointing and pointing["mean"],
            told["N-acc"],
        )
        table.add_row(escape(name), str(told["questions"]), *("-" if v is None else f"{v:.3f}" for v in values))
    console.print(table)
    told = summary.to_json()
    presence = ", ".join(
        f"{name} {'-' if told[key] is None else format(told[key], '.3f')}"
        for name, key in (("AUROC", "presence_AUROC"), ("calibration error", "calibration_error"), ("Brier", "Brier"))
    )
    console.print(f"gIoU {summary.giou}; present against absent: {presence}", highlight=False, soft_wrap=True)
    console.print(
        f"[dim]{told['questions']} questions, {told['pictures']} pictures; in brackets a 95 % interval, bootstrap over "
        "pictures[/]",
        highlight=False,
        soft_wrap=True,
    )
    if faults:
        console.print(f"{len(faults)} questions could not be asked and count as misses, the first:", highlight=False)
        console.print(f"  {faults[0]}", highlight=False, markup=False, soft_wrap=True)
