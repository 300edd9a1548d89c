"""What a data set is made of, in counts, and the card that tells people of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ivm.data.survey import Row

AREAS = (0.0, 0.001, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Edges of the classes of mask areas, as shares of the picture."""

LONGEST = 20
"""Words from which instructions are counted together."""


@dataclass
class Stats:
    """Counts over the sound records of a data set."""

    records: int = 0
    broken: int = 0
    absent: int = 0
    instructions: int = 0
    pictures: set[int] = field(default_factory=set)
    """Hashes, so that pictures of several records count once."""
    words: Counter[int] = field(default_factory=Counter)
    areas: Counter[int] = field(default_factory=Counter)
    """By the number of the class in `AREAS`."""
    sources: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    datasets: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    masks: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    weight: float = 0.0

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Stats:
        """Count; broken records are counted as such only."""
        stats = cls()
        for row in rows:
            stats._add(row)
        return stats

    def summary(self) -> list[tuple[str, str]]:
        """What to say in words, as pairs of a name and a text."""
        common = ", ".join(f"{width}x{height}" for (width, height), _ in self.sizes.most_common(3))
        return [
            ("records", f"{self.records:,}"),
            ("broken", f"{self.broken:,}"),
            ("pictures", f"{len(self.pictures):,}"),
            ("instructions", f"{self.instructions:,}"),
            ("target not in the picture", f"{self.absent:,}"),
            ("most common sizes", common or "none"),
            ("mean weight", f"{self.weight / self.records:.3g}" if self.records else "none"),
        ]

    def plots(self) -> dict[str, dict[str, int]]:
        """Counts by label, by the title of a plot."""
        lengths = range(1, max((min(length, LONGEST) for length in self.words), default=0) + 1)
        edges = pairwise(AREAS)
        return {
            "Words in an instruction": {
                str(n) if n < LONGEST else f"{LONGEST} or more": self._words(n) for n in lengths
            },
            "Share of the picture that is needed": {
                f"{100 * low:g} to {100 * high:g} %": self.areas[i] for i, (low, high) in enumerate(edges)
            },
            "Who drew the mask": dict(self.sources.most_common()),
            "Licence": dict(self.licenses.most_common()),
            "Data set": dict(self.datasets.most_common()),
            "Split": dict(self.splits.most_common()),
            "Masks kept as": dict(self.masks.most_common()),
        }

    def _words(self, length: int) -> int:
        if length < LONGEST:
            return self.words[length]
        return sum(count for words, count in self.words.items() if words >= LONGEST)

    def _add(self, row: Row) -> None:
        if row.faults:
            self.broken += 1
            return
        self.records += 1
        self.absent += not row.present
        self.instructions += len(row.words)
        self.pictures.add(row.hash)
        self.words.update(row.words)
        if row.present:
            self.areas[sum(row.area > edge for edge in AREAS[1:-1])] += 1
        self.sources[row.source] += 1
        self.licenses[row.license] += 1
        self.datasets[row.dataset or "unknown"] += 1
        self.splits[row.split or "none"] += 1
        self.masks[row.mask_kind] += 1
        self.sizes[row.size] += 1
        self.weight += row.weight


_KEPT = {
    "rle": "run lengths (COCO's compressed form) in the JSON member",
    "png": "grey PNG (`.mask.png`), 255 for fully needed",
    "original": "IVM-Mix-1M's own JPEG (`.mask.jpg`): multiply by 1.5, cut at 255, stretch to 0..1",
}


def card(title: str, stats: Stats, files: Mapping[str, int]) -> str:
    """Write a data set card in Markdown, with the header that the hub reads.

    Args:
        title: of the data set.
        stats: of its records.
        files: sizes of its files in bytes, by name.
    """
    header = {"pretty_name": title, "license": "other", "task_categories": ["image-segmentation"], "language": ["en"]}
    told = "\n".join(f"{key}: {json.dumps(value)}" for key, value in header.items())
    summary = _table("", stats.summary())
    tables = "\n".join(f"## {name}\n\n{_table('records', counts.items())}" for name, counts in stats.plots().items())
    kept = "\n".join(f"- {kind}: {_KEPT[kind]}" for kind in sorted(stats.masks) if kind in _KEPT)
    size = sum(files.values()) / 1e6
    return f"""---
{told}
tags: ["webdataset", "visual-grounding", "instruction-guided-visual-masking"]
---

# {title}

Pictures, instructions, and masks of what each instruction needs: {len(files):,} files, {size:,.1f} MB, read with
`ivm.data.stream.RecordStream`, `webdataset`, or Hugging Face `datasets` (`load_dataset("webdataset", data_files=...)`).

{summary}
Masks are kept as

{kept}

The licence of each record stands beside it; the table below counts them. A record whose licence is not for your purpose
is to be left out.

{tables}"""


def _table(column: str, rows: Iterable[tuple[str, object]]) -> str:
    lines = "".join(f"| {name} | {f'{value:,}' if isinstance(value, int) else value} |\n" for name, value in rows)
    return f"| | {column} |\n|---|---|\n{lines}"
