"""Drafts become records that tell who said what, in shards that are whole or not there."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ivm import __version__
from ivm.core.errors import InputError
from ivm.core.files import output_error
from ivm.data.record import Record
from ivm.data.shards import write_shard
from ivm.labeling.draft import Batch, Draft
from ivm.labeling.fusion import union
from ivm.labeling.stages import clocked, mask_of

REJECTED = "rejected"
"""Folder, beside the shards, of shards with what is not to be used."""
BINS = 10
"""Of the histogram of weights in a report."""


@dataclass(slots=True)
class WriteStage:
    """Writes a batch as shards, and keeps of it what the journal needs.

    Attributes:
        folder: for the shards; all workers see it.
        run: what the files' names begin with.
    """

    folder: Path
    run: str
    name: str = "write"

    def __call__(self, batch: Batch) -> Batch:
        """Write; the drafts are let go of, their numbers stay in `batch.counts`."""
        with clocked(batch, self.name, len(batch.drafts)):
            entry = self._write(batch)
        entry |= {"seconds": dict(batch.seconds), "counts": dict(batch.counts)}
        return Batch(batch.part, [], [], batch.seconds, batch.counts, entry)

    def _write(self, batch: Batch) -> dict[str, Any]:
        good: list[Record] = []
        rejected: list[Record] = []
        faults, reasons = list(batch.faults), Counter[str]()
        agreement, weights = defaultdict[str, float](float), np.zeros(BINS, np.int64)
        for draft in batch.drafts:
            record = self._record(draft)
            if draft.fault is not None or record is None:
                faults += [draft.fault] if draft.fault else []
                continue
            (rejected if draft.rejected else good).append(record)
            if draft.rejected:
                reasons[draft.rejected] += 1
            else:
                weights[min(BINS - 1, int(record.weight * BINS))] += 1
            for name, value in agreement_of(draft).items():
                agreement[name] += value
                agreement[f"{name}: records"] += 1
        files = {
            str(path.relative_to(self.folder)): size
            for path, size in (
                self._shard(self.folder / self._file(batch.part), good),
                self._shard(self.folder / REJECTED / self._file(batch.part), rejected),
            )
            if size
        }
        return {
            "records": len(good),
            "rejected": dict(reasons),
            "faults": [fault.to_json() for fault in faults],
            "files": files,
            "agreement": dict(agreement),
            "weights": weights.tolist(),
        }

    def _record(self, draft: Draft) -> Record | None:
        if draft.fault is not None:
            return None
        try:
            return record_of(draft)
        except InputError as error:  # such as a name that no record may have
            draft.fail(self.name, error)
            return None

    def _file(self, part: int) -> str:
        return f"{self.run}-{part:06d}.tar"

    def _shard(self, path: Path, records: list[Record]) -> tuple[Path, int]:
        try:
            if not records:
                path.unlink(missing_ok=True)
                return path, 0
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path, error) from error
        return path, write_shard(path, records).size


def whole(folder: Path, entry: Mapping[str, Any]) -> bool:
    """Whether the files of a journal's entry are there, at their sizes."""
    try:
        return all((folder / name).stat().st_size == size for name, size in entry["files"].items())
    except OSError:
        return False


def record_of(draft: Draft) -> Record:
    """Make the record of a draft that did not fail.

    Raises:
        RecordError: the task has a name or a licence that no record may have.
    """
    task = draft.task
    instructions = tuple(dict.fromkeys([*task.instructions, *draft.invented]))
    if not draft.fused and task.known is not None:
        return Record(
            uuid=task.uuid,
            picture=task.picture,
            instructions=instructions,
            mask_code=task.known,
            source=task.known_source,
            license=task.license,
            provenance=replace(task.provenance, maker=_maker(draft)),
        )
    mask = mask_of(draft)
    return Record.of(
        uuid=task.uuid,
        image=task.picture,
        mask=mask,
        instructions=instructions,
        source="machine",
        license=task.license,
        weight=round(union(draft.fused)[1], 4),
        provenance=replace(task.provenance, maker=_maker(draft)),
        present=bool(mask.any()),
    )


def agreement_of(draft: Draft) -> dict[str, float]:
    """By expert: mean overlap of its masks with the fused ones."""
    if not draft.fused:
        return {}
    return {name: float(np.mean([one.agreement[name] for one in draft.fused])) for name in draft.fused[0].agreement}


def read_maker(record: Record) -> dict[str, Any]:
    """What a record's provenance tells of its making; empty for a record of others."""
    try:
        told = json.loads(record.provenance.maker)
    except ValueError:
        return {}
    return told if isinstance(told, dict) and "ivm" in told else {}


def _maker(draft: Draft) -> str:
    """Who said what, as compact JSON: provenance holds texts only."""
    things = [
        _telling({"role": target.role, "phrase": target.phrase, **_seen(draft, index)})
        for index, target in enumerate(draft.targets)
    ]
    told = _telling(
        {
            "ivm": __version__,
            "planner": draft.plan.maker if draft.plan else "",
            "guessed": True if draft.plan and not draft.plan.understood else None,
            "things": things,
            "agreement": {name: round(value, 3) for name, value in agreement_of(draft).items()},
            "silent": draft.silent,
            "verifier": draft.verifier,
            "verdict": round(draft.verdict.score, 3) if draft.verdict else None,
            "missing": draft.verdict.reason if draft.verdict else "",
            "rejected": draft.rejected,
            "inventor": draft.inventor,
            "mask": draft.task.provenance.maker if not draft.fused else "",
        }
    )
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _telling(values: dict[str, Any]) -> dict[str, Any]:
    """What of the values says something, so that provenance stays short."""
    return {key: value for key, value in values.items() if value not in (None, "", (), [], {})}


def _seen(draft: Draft, index: int) -> dict[str, float]:
    if not draft.fused:
        return {}
    one = draft.fused[index]
    return {"presence": round(one.presence, 3), "quality": round(one.quality, 3)}
