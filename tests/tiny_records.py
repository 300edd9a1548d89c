"""A few labelled pictures in shards, drawn here: squares of a colour on grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivm.data.record import Record
from ivm.data.shards import write_shard

SIDE = 64


def square_record(number: int, source: str = "human") -> Record:
    """A square in one of four places, asked for by its colour; a machine's label is the whole picture."""
    color = ("red", "green")[number % 2]
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    row, column = 8 + 24 * (number // 2 % 2), 8 + 24 * (number // 4 % 2)
    mask[row : row + 20, column : column + 20] = True
    image[mask] = (220, 30, 30) if color == "red" else (30, 200, 30)
    if source == "machine":
        mask[:] = True
    return Record.of(
        uuid=f"{source}-{number}",
        image=image,
        mask=mask,
        instructions=[f"the {color} cup"],
        source=source,  # type: ignore[arg-type]
        license="CC0-1.0",
    )


def write_records(folder: Path, count: int = 12) -> dict[str, object]:
    """Write `human/` and `machine/` with three shards each, and return a recipe's `records` that reads them."""
    for source in ("human", "machine"):
        (folder / source).mkdir(parents=True)
        for shard in range(3):
            numbers = range(shard, count, 3)
            write_shard(folder / source / f"{shard}.tar", (square_record(number, source) for number in numbers))
    sources = [{"shards": str(folder / "human")}, {"shards": str(folder / "machine"), "weight": 2}]
    return {"pictures": 2, "sources": sources, "light": 0.0}
