"""What a batch job is to do: the pictures of a folder, or the lines of a JSON Lines file."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivm.core.errors import ImageNotFoundError, IvmError, RecordError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
"""What counts as a picture in a folder; a single file may be called anything."""

_SAFE_ID = re.compile(r"[^\W_][\w.-]{0,127}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One picture and one instruction of a job."""

    id: str
    """Folder of the result below the job's output, with "/" between levels."""
    image: Path
    instruction: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BadTask:
    """A line that is no task, kept so that it is reported with the pictures that fail."""

    id: str
    error: IvmError


def tasks_of_folder(folder: Path, instruction: str, *, leave_out: Path | None = None) -> list[Task]:
    """One task per picture below a folder, in the order of the paths.

    Args:
        folder: searched with its subfolders, less the hidden ones.
        instruction: for all.
        leave_out: a folder, such as the job's own output, whose pictures are not taken.

    Raises:
        ImageNotFoundError: there is no picture.
    """
    without = leave_out.resolve() if leave_out else None
    paths = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        own = without is not None and path.resolve().is_relative_to(without)
        if path.suffix.lower() in SUFFIXES and not hidden and not own and path.is_file():
            paths.append(inside)
    if not paths:
        raise ImageNotFoundError(f"{folder} holds no picture: its files must end in {', '.join(SUFFIXES)}")
    stems = Counter(path.with_suffix("") for path in paths)
    return [
        Task(
            id=(path.with_suffix("") if stems[path.with_suffix("")] == 1 else path).as_posix(),
            image=folder / path,
            instruction=instruction,
        )
        for path in paths
    ]


def tasks_of_lines(path: Path, instruction: str | None = None) -> list[Task | BadTask]:
    """One task per line of a JSON Lines file: {"image": path, "instruction": text, "id": optional name}.

    Paths are relative to the file's folder. Without "id" a task is called after its picture and instruction, so its
    name does not change when lines are added or moved. Equal lines are one task.

    Args:
        path: the file, UTF-8.
        instruction: for lines that have none.

    Raises:
        RecordError: the file cannot be read, or holds no line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read as UTF-8 text: {error}") from error
    tasks: dict[str, Task | BadTask] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            task = _task(line, path.parent, instruction)
            if tasks.setdefault(task.id, task) != task:
                raise RecordError(f'the id "{task.id}" was already given to another task')
        except RecordError as error:
            name = f"line {number}"
            tasks[name] = BadTask(id=name, error=RecordError(f"{path}, line {number}: {error}"))
    if not tasks:
        raise RecordError(f'{path} holds no line: write {{"image": path, "instruction": text}}, one a line')
    return list(tasks.values())


def _task(line: str, folder: Path, instruction: str | None) -> Task:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise RecordError(f"not JSON ({error})") from None
    if not isinstance(record, dict):
        raise RecordError('not an object: write {"image": path, "instruction": text}')
    image = _text(record, "image")
    text = _text(record, "instruction") if "instruction" in record or instruction is None else instruction
    name = _text(record, "id") if "id" in record else _default_id(image, text)
    if not _SAFE_ID.fullmatch(name):
        raise RecordError(f'the id "{name}" must be at most 128 letters, digits, "-", "_" or ".", not led by a dot')
    return Task(id=name, image=folder / image, instruction=text)


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise RecordError(f'"{key}" must be a text, not {json.dumps(value)}')
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RecordError(f'"{key}" holds characters that no text has: {json.dumps(value)}')
    return value


def _default_id(image: str, instruction: str) -> str:
    digest = hashlib.sha256(f"{image}\n{instruction}".encode()).hexdigest()[:8]
    words = re.sub(r"[^a-z0-9]+", "-", f"{Path(image).stem} {instruction}".casefold()).strip("-")
    return f"{words[:60].strip('-')}-{digest}".lstrip("-")
