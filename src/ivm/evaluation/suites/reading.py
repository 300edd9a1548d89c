"""What the loaders share: JSON and tables from files that others wrote, with an error that says where."""

from __future__ import annotations

import csv
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ivm.core.errors import RecordError
from ivm.core.extras import optional
from ivm.evaluation.suites.item import LETTERS, from_base64
from ivm.masking.boxes import Box

IMAGE = "image"
"""Column of tables that holds pictures, which are read only when they are needed."""

SHORTEST_PICTURE = 64
"""Cells shorter than this name another row whose picture is meant, as VLMEvalKit writes them."""


def json_of(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RecordError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise RecordError(f"'{path}' is not JSON ({error}): download it again") from None


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Read a list of objects, written as one JSON list or as JSON lines, whatever the file's name ends with.

    Raises:
        RecordError: it cannot be read, or is neither.
    """
    text = _text(path)
    return as_rows(json_of(path) if text.lstrip().startswith("[") else _lines(path, text), path)


def as_rows(rows: Any, path: Path) -> list[dict[str, Any]]:
    """Check that what a file holds is a list of objects.

    Raises:
        RecordError: it is not.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RecordError(f"'{path}' must be a list of questions: give the file as published")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordError(f"'{path}' cannot be read ({reason}): give the benchmark's folder as published") from None


def _lines(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise RecordError(f"'{path}', line {number} is not JSON ({error}): download it again") from None
    return rows


def first_there(folder: Path, *patterns: str) -> Path | None:
    """The first file in a folder, at any depth, that fits one of the patterns; or the path itself if it is a file."""
    if folder.is_file():
        return folder
    return next((path for pattern in patterns for path in sorted(folder.rglob(pattern))), None)


def needed(found: Path | None, folder: Path, what: str) -> Path:
    """The file that was found.

    Raises:
        RecordError: none was.
    """
    if found is None:
        raise RecordError(f"'{folder}' has no {what}: give the benchmark's folder as published")
    return found


def text_of(row: Mapping[str, Any], *keys: str, where: str) -> str:
    """The first of several keys that is a text or a number.

    Raises:
        RecordError: none is there.
    """
    for key in keys:
        value = row.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    raise RecordError(f"{where}: expected {' or '.join(map(repr, keys))}, found the keys {sorted(row)[:12]}")


def shuffled(options: Sequence[str], right: int, seed: str) -> tuple[tuple[str, ...], str]:
    """Put options into an order drawn from a text, the same each time; return them and the letter of the right one."""
    order = np.random.default_rng(zlib.crc32(seed.encode())).permutation(len(options))
    return tuple(options[i] for i in order), LETTERS[int(np.flatnonzero(order == right)[0])]


def half_open(box: Sequence[float], *, corners: bool) -> Box:
    """A box of floats, [x, y, width, height] or corners, as whole pixels that hold it."""
    x0, y0, x1, y1 = (float(number) for number in box)
    if not corners:
        x1, y1 = x0 + x1, y0 + y1
    return int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1))


@dataclass(frozen=True, slots=True)
class TsvPicture:
    """A picture in base64 in a row of a table of tab-separated values."""

    path: Path
    place: int
    """Byte at which the row begins."""
    columns: tuple[str, ...]
    key: str

    def read(self) -> bytes:
        """See `Picture.read`."""
        with self.path.open("rb") as file:
            file.seek(self.place)
            cells = next(csv.reader(_texts(file), delimiter="\t"))
        return from_base64(cells[self.columns.index(IMAGE)], f"'{self.path}', row {self.key}")


@dataclass(frozen=True, slots=True)
class ParquetPicture:
    """A picture in a row of a parquet file, as base64 or as bytes."""

    path: Path
    row: int
    key: str

    def read(self) -> bytes:
        """See `Picture.read`."""
        parquet = optional("pyarrow.parquet", extra="eval")
        file = parquet.ParquetFile(self.path)
        row = self.row
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if row < count:
                cell = file.read_row_group(group, columns=[IMAGE])[IMAGE][row].as_py()
                data = cell["bytes"] if isinstance(cell, dict) else cell
                return data if isinstance(data, bytes) else from_base64(data, f"'{self.path}', row {self.key}")
            row -= count
        raise AssertionError("a row of this file has a group")


def table_of(path: Path) -> Iterator[tuple[dict[str, Any], TsvPicture | ParquetPicture]]:
    """Read a .tsv or .parquet file row by row, pictures left where they are.

    Raises:
        RecordError: it cannot be read, or lacks the column of pictures.
        MissingExtraError: parquet needs pyarrow, which is not installed.
    """
    rows = _parquet(path) if path.suffix == ".parquet" else _tsv(path)
    try:
        yield from rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"'{path}' cannot be read as a table ({error}): download it again") from None


def _texts(file: Any) -> Iterator[str]:
    for line in file:
        yield line.decode("utf-8")


def _tsv(path: Path) -> Iterator[tuple[dict[str, Any], TsvPicture]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    places: dict[str, int] = {}
    with path.open("rb") as file:
        position = 0

        def lines() -> Iterator[str]:
            nonlocal position
            for line in file:
                position += len(line)
                yield line.decode("utf-8")

        rows = csv.reader(lines(), delimiter="\t")
        columns = tuple(next(rows, ()))
        if IMAGE not in columns:
            raise RecordError(f"'{path}' has no column '{IMAGE}': expected a table with {', '.join(columns[:8])}")
        begin = position
        for cells in rows:
            row = dict(zip(columns, cells, strict=False))
            cell, name = row.pop(IMAGE, ""), str(row.get("index", begin))
            if len(cell) < SHORTEST_PICTURE and cell in places:
                place, name = places[cell], cell
            else:
                place = places[name] = begin
            yield row, TsvPicture(path, place, columns, f"{path.name}#{name}")
            begin = position


def _parquet(path: Path) -> Iterator[tuple[dict[str, Any], ParquetPicture]]:
    parquet = optional("pyarrow.parquet", extra="eval")
    arrow = optional("pyarrow", extra="eval")
    try:
        file = parquet.ParquetFile(path)
    except (OSError, arrow.ArrowException) as error:
        raise RecordError(f"'{path}' is not a parquet file ({error}): download it again") from None
    columns = [name for name in file.schema_arrow.names if name != IMAGE]
    if len(columns) == len(file.schema_arrow.names):
        raise RecordError(f"'{path}' has no column '{IMAGE}': expected a table with {', '.join(columns[:8])}")
    number = 0
    for batch in file.iter_batches(columns=columns):
        for row in batch.to_pylist():
            yield row, ParquetPicture(path, number, f"{path.name}#{row.get('index', number)}")
            number += 1
