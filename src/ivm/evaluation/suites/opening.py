"""All benchmarks by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ivm.core.errors import OptionError, RecordError
from ivm.evaluation.suites.choices import load_hrbench, load_o3bench, load_vstar
from ivm.evaluation.suites.item import VisualQuestion
from ivm.evaluation.suites.open_ended import load_gqa, load_mme, load_pope, load_textvqa, load_visualprobe

Loader = Callable[[Path, Path | None], Iterator[VisualQuestion]]

SUITES: dict[str, Loader] = {
    "vstar": load_vstar,
    "hr-bench": load_hrbench,
    "visualprobe": load_visualprobe,
    "o3-bench": load_o3bench,
    "pope": load_pope,
    "gqa": load_gqa,
    "textvqa": load_textvqa,
    "mme": load_mme,
}
"""Loaders by the names that `ivm eval lmm` takes."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The questions of a benchmark, and how to know them again."""

    name: str
    questions: tuple[VisualQuestion, ...]
    checksum: str
    """SHA-256 of all questions, options, answers and boxes, in their order; pictures are told apart in the report."""


def open_suite(name: str, place: Path, *, images: Path | None = None, limit: int | None = None) -> Suite:
    """Read a benchmark; pictures stay where they are.

    Args:
        name: a key of `SUITES`.
        place: its folder, or its file of questions.
        images: where its pictures are, if not where it publishes them.
        limit: only so many questions, drawn evenly over the whole; None for all.

    Raises:
        OptionError: there is no such benchmark.
        RecordError: its files are missing or damaged, or two questions have one name.
    """
    if name not in SUITES:
        raise OptionError(f"There is no benchmark {name!r}: use {', '.join(SUITES)}")
    if not place.exists():
        raise RecordError(f"There is no file or folder '{place}': check the path")
    questions = list(SUITES[name](place, images))
    if not questions:
        raise RecordError(f"'{place}' holds no question of {name}: give the benchmark's folder as published")
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        double = next(one for one in ids if ids.count(one) > 1)
        raise RecordError(f"'{place}' has two questions with the id {double!r}: download it again")
    if limit is not None and limit < len(questions):
        questions = [questions[i * len(questions) // limit] for i in range(limit)]
    return Suite(name=name, questions=tuple(questions), checksum=checksum_of(questions))


def checksum_of(questions: list[VisualQuestion]) -> str:
    """SHA-256 of what is asked and what is right."""
    digest = hashlib.sha256()
    for one in questions:
        told = (one.id, one.category, one.question, one.options, one.answers, one.scoring, one.boxes)
        digest.update(repr(told).encode())
    return digest.hexdigest()
