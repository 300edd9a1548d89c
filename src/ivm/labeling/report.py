"""What a run gave: how many records, how sure, what was rejected and why, and where the time went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivm.lmm.answers import Usage

FASTEST = 1e-9


@dataclass(frozen=True, kw_only=True)
class Report:
    """Sums over all parts of a run, those of earlier goes included.

    Attributes:
        records: that can be used.
        rejected: by reason; they are in the folder `rejected`.
        faults: set aside without a record, by kind.
        seconds: worked, by stage, in all workers together.
        counts: drafts, by stage.
        agreement: by expert: mean overlap of its masks with the fused ones.
        weights: histogram of the records' weights, ten bins over [0, 1].
        usage: of the LMM, in this go.
        set_aside: what `faults` counts, each as `Fault.to_json` tells it.
    """

    records: int
    rejected: dict[str, int]
    faults: dict[str, int]
    seconds: dict[str, float]
    counts: dict[str, int]
    agreement: dict[str, float]
    weights: list[int]
    usage: Usage | None
    set_aside: list[dict[str, str]]

    @classmethod
    def of(cls, entries: Sequence[Mapping[str, Any]], usage: Usage | None) -> Report:
        """Add up journal entries."""
        rejected, faults, seconds = Counter[str](), Counter[str](), Counter[str]()
        counts, agreement = Counter[str](), Counter[str]()
        for entry in entries:
            rejected.update(entry["rejected"])
            faults.update(fault["kind"] for fault in entry["faults"])
            seconds.update(entry["seconds"])
            counts.update(entry["counts"])
            agreement.update(entry["agreement"])
        experts = [name for name in agreement if not name.endswith(": records")]
        return cls(
            records=sum(entry["records"] for entry in entries),
            rejected=dict(rejected),
            faults=dict(faults),
            seconds=dict(seconds),
            counts=dict(counts),
            agreement={name: agreement[name] / agreement[f"{name}: records"] for name in experts},
            weights=[sum(column) for column in zip(*(entry["weights"] for entry in entries), strict=True)],
            usage=usage,
            set_aside=[fault for entry in entries for fault in entry["faults"]],
        )

    @property
    def tasks(self) -> int:
        """All that were looked at."""
        return self.records + sum(self.rejected.values()) + sum(self.faults.values())

    def to_json(self) -> dict[str, Any]:
        """As report.json holds it."""
        return {
            "records": self.records,
            "rejected": self.rejected,
            "faults": self.faults,
            "stages": {
                name: {"records": count, "seconds": round(self.seconds[name], 3)} for name, count in self.counts.items()
            },
            "model_seconds": {
                name: round(value, 3) for name, value in self.seconds.items() if name.endswith(": model")
            },
            "agreement": self.agreement,
            "weights": self.weights,
            "lmm": self.usage.to_json() if self.usage else None,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        total = max(self.tasks, 1)
        yield f"{self.records:,} records of {self.tasks:,} tasks, {sum(self.rejected.values()):,} rejected, " + (
            f"{sum(self.faults.values()):,} set aside"
        )
        for what, counts in (("rejected", self.rejected), ("set aside", self.faults)):
            for reason, count in sorted(counts.items(), key=lambda pair: -pair[1]):
                yield f"  {what}, {reason}: {count:,} ({count / total:.1%})"
        if self.agreement:
            told = ", ".join(f"{name} {value:.2f}" for name, value in self.agreement.items())
            yield f"agreement with the joined masks: {told}"
        if self.records and any(self.weights):
            yield f"weights from 0 to 1: {' '.join(map(str, self.weights))}"
        for name, count in self.counts.items():
            yield f"  {name}: {count:,} in {self.seconds[name]:.1f} s of work, " + (
                f"{count / max(self.seconds[name], FASTEST):,.1f} a second"
            )
        if self.usage is not None:
            yield f"LMM: {self.usage}"
