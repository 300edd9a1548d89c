"""A `Grounding` as tables to read and as JSON to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ivm.evaluation.grounding import Grounding, Means
from ivm.inference.masker import Masker

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What was run, so that a number can be had again."""

    command: str
    version: str
    """Of this package."""
    model: str
    weights: dict[str, str]
    """File name to SHA-256 of the model's files; empty for a model that is not made of files."""
    threshold: float
    phrases: Sequence[str]


def weights_of(masker: Masker) -> dict[str, str]:
    """File name to SHA-256 of what a model was loaded from; empty for a model that does not say."""
    from ivm.inference.nano_onnx import NanoOnnx

    if not isinstance(masker.model, NanoOnnx):
        return {}
    return {str(name): str(digest) for name, digest in masker.model.checkpoint.about["sha256"].items()}


def to_json(result: Grounding, origin: Origin) -> dict[str, Any]:
    """Everything: origin, estimates with their intervals, tables and each single score."""
    return {
        **asdict(origin),
        "pictures": result.pictures,
        "questions": len(result.scores),
        "pointing": result.pointing._asdict(),
        "iou": result.iou._asdict(),
        "found": result.found._asdict(),
        "by_name": [asdict(row) for row in result.by("name")],
        "by_phrase": [asdict(row) for row in result.by("phrase")],
        "scores": [asdict(score) | {"image": str(score.image)} for score in result.scores],
    }


def print_report(result: Grounding, origin: Origin, console: Console) -> None:
    """Print the tables, the estimates with 95 % intervals, and where they come from."""
    from rich.markup import escape

    console.print(_table("Object", result.by("name")))
    console.print(_table("Asked as", result.by("phrase")))
    console.print(f"pointing accuracy {result.pointing}", highlight=False, markup=False)
    console.print(f"mean IoU          {result.iou}", highlight=False, markup=False)
    console.print(f"mean found        {result.found}", highlight=False, markup=False)
    console.print(
        f"n = {len(result.scores)} questions, {result.pictures} picture{'s' * (result.pictures != 1)}; "
        "in brackets 95 % intervals, bootstrap over pictures",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"[dim]ivm {origin.version}, model {escape(origin.model)}, threshold {origin.threshold}[/]",
        highlight=False,
        soft_wrap=True,
    )
    for name, digest in origin.weights.items():
        console.print(f"[dim]sha256 {digest}  {escape(name)}[/]", highlight=False, soft_wrap=True)
    if origin.command:
        console.print(f"[dim]{escape(origin.command)}[/]", highlight=False, soft_wrap=True)


def _table(title: str, rows: Sequence[Means]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title, "n", "pointing", "IoU", "found", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(escape(row.label), str(row.questions), f"{row.hit:.2f}", f"{row.iou:.2f}", f"{row.found:.2f}")
    return table
