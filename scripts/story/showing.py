"""Pictures and numbers of the story, each read from what a command wrote."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from PIL import Image

from ivm.core.errors import DataError
from ivm.core.model import RGBImage
from ivm.robotics.dataset_reader import DatasetReader

from .plan import FOLDER

FRAMES = 4
"""Shown of the robot's first episode."""
LONGEST = 1100
"""Pixels of a picture's longer side on the page."""

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_ROW = re.compile(
    rf"^(IoU|pointing) +(\d+) +{_NUMBER} +{_NUMBER} +{_NUMBER} +{_NUMBER} to {_NUMBER} +(\d+) +(\d+) +(\S.*?) *$", re.M
)
_FIGURE = re.compile(
    r'<figure><img class="masked" src="(data:image/jpeg;base64,[^"]+)".*?<figcaption>(.*?)</figcaption></figure>', re.S
)


class Change(NamedTuple):
    """A row of `ivm eval diff`, as it was printed."""

    mark: str
    questions: str
    before: str
    after: str
    change: str
    low: str
    high: str
    better: str
    worse: str
    p: str

    @classmethod
    def read(cls, printed: str, mark: str = "IoU") -> Change:
        """Find the row of a mark.

        Raises:
            DataError: it is not there.
        """
        for found in _ROW.finditer(printed):
            if found[1] == mark:
                return cls(*found.groups())
        raise DataError(f"ivm eval diff printed no row about {mark}: remove {FOLDER / 'steps' / 'diff.json'}")

    def __str__(self) -> str:
        sure = float(self.low) > 0 or float(self.high) < 0
        verdict = "more than chance explains" if sure else "too little to tell from chance"
        return (
            f"{self.after} against {self.before} without ({self.change}, 95 % interval {self.low} to {self.high}: "
            f"{verdict})"
        )


def headline(printed: str) -> str:
    """The comparison as its intervals tell it; of what `ivm eval diff` printed."""
    one, other = Change.read(printed), Change.read(printed, "pointing")
    return (
        f"<p><b>What came out:</b> with its labels weighed by DWSL, the model's mean IoU on {one.questions} held-out "
        f"questions is {one}, and its pointing accuracy {other}. At this size, and with one seed.</p>"
    )


def samples(name: str) -> str:
    """The samples of a page of `ivm data show`, with their captions."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    figures = (
        f'<figure><img src="{source}" alt=""><figcaption>{caption}</figcaption></figure>'
        for source, caption in _FIGURE.findall(text)
    )
    return f'<div class="pictures">{"".join(figures)}</div>'


def labelling() -> str:
    """What the engine reports: how many records, and how far each expert agrees with the joined masks."""
    told = json.loads((FOLDER / "labels" / "report.json").read_bytes())
    rows = [("records", f"{told['records']:,}"), ("rejected", f"{sum(told['rejected'].values()):,}")]
    rows += [(f"agreement of {name}", f"{value:.2f}") for name, value in told["agreement"].items()]
    return _numbers(rows)


def learning() -> str:
    """The loss of both trainings, and the mean weight that the second one gives."""
    curves = {name: _column(name, "train/bce") for name in ("before", "after")}
    top = max((value for curve in curves.values() for _, value in curve), default=1.0)
    last = max((step for curve in curves.values() for step, _ in curve), default=1)
    lines = "".join(
        f'<polyline class="{name}" points="'
        + " ".join(f"{100 * step / last:.2f},{100 - 95 * value / top:.2f}" for step, value in curve)
        + '"></polyline>'
        for name, curve in curves.items()
    )
    weights = _column("after", "train/weight")
    told = f"; the weights' mean goes from {weights[0][1]:.2f} to {weights[-1][1]:.2f}" if weights else ""
    return (
        '<svg class="curves" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="Loss over {last + 1} steps">{lines}</svg><p class="key"><span class="before">before: alike</span>'
        f'<span class="after">after: weighed</span><span class="quiet">cross-entropy over {last + 1} steps, from 0 to '
        f"{top:.2f}{told}; weighed and plain losses are not of one scale</span></p>"
    )


def models() -> str:
    """Marks of the network at the start and of both models on the held-out tables."""
    rows = []
    for name in ("start", "before", "after"):
        total = json.loads((FOLDER / f"{name}.json").read_bytes())["total"]
        rows.append((f"{name}: mean IoU", f"{total['gIoU']['mean']:.3f}"))
        rows.append((f"{name}: pointing", f"{total['pointing']['mean']:.3f}"))
    return _numbers(rows)


def difference(printed: str) -> str:
    """The paired comparison by IoU, of what `ivm eval diff` printed."""
    one = Change.read(printed)
    return _numbers([("change of mean IoU", one.change), ("better", one.better), ("worse", one.worse), ("p", one.p)])


def masked() -> str:
    """The sheet of `ivm mask`."""
    with Image.open(FOLDER / "masked" / "sheet.png") as sheet:
        return f"<figure>{_picture(np.asarray(sheet.convert('RGB')), 'The seven pictures of one answer')}</figure>"


def rollout() -> str:
    """Frames of the first episode, and what a policy would see of them."""
    readers = [DatasetReader(FOLDER / name) for name in ("rollout", "rollout-masked")]
    plain, seen = (next(iter(reader)) for reader in readers)
    key = readers[0].camera()
    chosen = np.linspace(0, len(plain.columns[key]) - 1, FRAMES).astype(int)
    figures = (
        f"<figure>{_picture(np.concatenate([plain.columns[key][i], seen.columns[key][i]], axis=1), plain.task)}"
        f"<figcaption>{escape(plain.task)}, frame {i}</figcaption></figure>"
        for i in chosen
    )
    return f'<div class="pictures">{"".join(figures)}</div>'


def _column(run: str, name: str) -> list[tuple[int, float]]:
    """Steps and values of one column of a run's metrics."""
    with (FOLDER / run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [(int(row["step"]), float(row[name])) for row in csv.DictReader(file) if row.get(name)]


def _numbers(rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in rows)
    return f'<div class="numbers">{cells}</div>'


def _picture(image: RGBImage, told: str) -> str:
    shown, file = Image.fromarray(image), io.BytesIO()
    shown.thumbnail((LONGEST, LONGEST))
    shown.save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(told)}">'
