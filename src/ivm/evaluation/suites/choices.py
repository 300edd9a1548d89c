"""Benchmarks with options: V*Bench, HR-Bench, O3-Bench."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ivm.core.errors import RecordError
from ivm.evaluation.suites.item import LETTERS, FilePicture, VisualQuestion
from ivm.evaluation.suites.reading import first_there, half_open, json_of, needed, rows_of, shuffled, table_of, text_of

_OPTION = re.compile(r"^\s*\(?([A-J])[).:]\s*(.*?)\s*$")
"""A line with an option: "(A) red", "A. red"."""


def load_vstar(folder: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """V*Bench (Wu and Xie, arXiv 2312.14135): `test_questions.jsonl`, and NAME.json with boxes beside each NAME.jpg.

    Where there is only NAME.json, whose first option is the right one, options are shuffled, the same way each time.

    Raises:
        RecordError: a file is missing, or not what it must be.
    """
    listing = folder / "test_questions.jsonl" if folder.is_dir() else folder
    root = images or (folder if folder.is_dir() else folder.parent)
    if listing.is_file():
        for number, row in enumerate(rows_of(listing), start=1):
            yield _vstar_line(row, root, f"'{listing}', line {number}")
        return
    files = sorted(root.glob("*/*.json"))
    if not files:
        raise RecordError(f"'{folder}' has neither test_questions.jsonl nor */*.json: give V*Bench's folder")
    for file in files:
        told = json_of(file)
        options, right = shuffled(_texts(told, "options", file), 0, file.stem)
        yield VisualQuestion(
            id=f"{file.parent.name}/{file.stem}",
            category=file.parent.name,
            picture=_beside(file),
            question=text_of(told, "question", where=f"'{file}'"),
            options=options,
            answers=(right,),
            scoring="letter",
            **_vstar_boxes(told),
        )


def _vstar_line(row: dict[str, Any], root: Path, where: str) -> VisualQuestion:
    question, options = split_options(text_of(row, "text", where=where))
    path = root / text_of(row, "image", where=where)
    about = path.with_suffix(".json")
    return VisualQuestion(
        id=str(Path(text_of(row, "image", where=where)).with_suffix("")),
        category=text_of(row, "category", where=where),
        picture=FilePicture(path),
        question=question,
        options=options,
        answers=(letter_of(text_of(row, "label", where=where), options, where),),
        scoring="letter",
        **(_vstar_boxes(json_of(about)) if about.is_file() else {}),
    )


def _vstar_boxes(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "boxes": tuple(half_open(box, corners=False) for box in told.get("bbox", [])),
        "targets": tuple(map(str, told.get("target_object", []))),
    }


def load_hrbench(place: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """HR-Bench (Wang et al., arXiv 2408.15556): `hr_bench_4k.tsv` or .parquet, pictures in base64, options A to D.

    Each question stands there four times, its options turned; all four count, and share their picture.

    Raises:
        RecordError: the file is missing, or not such a table.
        MissingExtraError: parquet needs pyarrow.
    """
    path = needed(first_there(place, "*hr_bench*.tsv", "*.tsv", "*.parquet"), place, ".tsv or .parquet file")
    for number, (row, picture) in enumerate(table_of(path), start=1):
        where = f"'{path}', row {number}"
        options = tuple(str(row[letter]) for letter in LETTERS[:4] if str(row.get(letter) or "").strip())
        yield VisualQuestion(
            id=text_of(row, "index", where=where),
            category=text_of(row, "category", where=where),
            picture=picture,
            question=text_of(row, "question", where=where),
            options=options,
            answers=(letter_of(text_of(row, "answer", where=where), options, where),),
            scoring="letter",
        )


def load_o3bench(folder: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """O3-Bench (InSight-o3, arXiv 2512.18745): `metadata.jsonl`, options as lines, boxes of the layouts that it needs.

    Raises:
        RecordError: a file is missing, or not what it must be.
    """
    path = needed(first_there(folder, "metadata.jsonl", "*.jsonl"), folder, "metadata.jsonl")
    for number, row in enumerate(rows_of(path), start=1):
        where = f"'{path}', line {number}"
        _, options = split_options(text_of(row, "options", where=where))
        layouts = row.get("layout_infos") or {}
        boxes = [layouts[str(one)]["bbox"] for one in row.get("target_layouts") or [] if str(one) in layouts]
        yield VisualQuestion(
            id=str(number),
            category=text_of(row, "subset", where=where),
            picture=FilePicture((images or path.parent) / text_of(row, "file_name", where=where)),
            question=text_of(row, "question", where=where),
            options=options,
            answers=(letter_of(text_of(row, "answer", where=where), options, where),),
            scoring="letter",
            boxes=tuple(half_open(box, corners=True) for box in boxes),
        )


def split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Part "What is it?\\n(A) a cup\\n(B) a pan\\nAnswer with ..." into the question and the options' texts."""
    question, options = [], list[str]()
    for line in text.splitlines():
        match = _OPTION.match(line)
        if match and match[1] == LETTERS[len(options)]:
            options.append(match[2])
        elif not options:
            question.append(line.strip())
    return " ".join(question).strip(), tuple(options)


def letter_of(answer: str, options: tuple[str, ...], where: str) -> str:
    """The letter of the right option, told as a letter or as its text.

    Raises:
        RecordError: it is neither, or there are not two options at least.
    """
    letters = LETTERS[: len(options)]
    if len(options) >= 2:
        if answer.strip("(). ") in letters and answer.strip("(). "):
            return answer.strip("(). ")
        if options.count(answer) == 1:
            return letters[options.index(answer)]
    raise RecordError(f"{where}: the answer {answer!r} is none of the options {list(options)}")


def _texts(told: dict[str, Any], key: str, file: Path) -> list[str]:
    value = told.get(key)
    if not isinstance(value, list) or len(value) < 2:
        raise RecordError(f"'{file}' must have two {key} or more, not {value!r}")
    return [str(one) for one in value]


def _beside(file: Path) -> FilePicture:
    for suffix in (".jpg", ".JPG", ".jpeg", ".png"):
        if file.with_suffix(suffix).is_file():
            return FilePicture(file.with_suffix(suffix))
    return FilePicture(file.with_suffix(".jpg"))
