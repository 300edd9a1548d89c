"""One task on its way through the stages, and a part of the run on its way through the workers."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ivm.core.errors import BudgetError, ImageError, IvmError, LmmError, LmmServerError
from ivm.core.images import load_image
from ivm.core.model import RGBImage
from ivm.data.faults import BadRecordError, Fault
from ivm.labeling.expert import Opinion
from ivm.labeling.fusion import Fused
from ivm.labeling.plan import Plan, Target
from ivm.labeling.task import Task
from ivm.labeling.verify import Verdict


@dataclass(slots=True)
class Draft:
    """What is known of one task so far."""

    task: Task
    plan: Plan | None = None
    targets: tuple[Target, ...] = ()
    """Those of the plan whose masks are wanted."""
    opinions: dict[str, tuple[Opinion, ...]] = field(default_factory=dict)
    """By expert: one for each of `targets`."""
    silent: dict[str, str] = field(default_factory=dict)
    """By expert that failed: why."""
    fused: tuple[Fused, ...] = ()
    """One for each of `targets`."""
    verdict: Verdict | None = None
    verifier: str = ""
    invented: tuple[str, ...] = ()
    """Instructions that were made for a known mask, and by whom (`inventor`)."""
    inventor: str = ""
    rejected: str = ""
    """Why the record is not to be used; it is written all the same, for people to look at."""
    fault: Fault | None = None
    """What stopped it; no record is written then."""

    @property
    def open(self) -> bool:
        """Whether there is something left to do."""
        return self.fault is None and not self.rejected

    def image(self) -> RGBImage:
        """Decode the picture, (H, W, 3) uint8 RGB.

        Raises:
            ImageError: it is damaged.
        """
        return load_image(self.task.picture)

    def fail(self, stage: str, error: IvmError) -> None:
        """Set the task aside because of an error in a stage.

        Raises:
            BudgetError: the LMM's budget is spent; then nothing is set aside, for a greater one would mend it.
            LmmServerError: the LMM's server is gone; running again when it is back does the rest.
        """
        if isinstance(error, BudgetError | LmmServerError):
            raise error
        kind = "record"
        if isinstance(error, BadRecordError):
            kind = error.kind
        elif isinstance(error, ImageError):
            kind = "unreadable-picture"
        elif isinstance(error, LmmError):
            kind = "lmm"
        self.fault = Fault(kind=kind, where=stage, uuid=self.task.uuid, message=str(error))


@dataclass(slots=True)
class Batch:
    """The drafts of one part of the run: what becomes one shard."""

    part: int
    drafts: list[Draft]
    faults: list[Fault]
    """Of items that are no tasks."""
    seconds: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))
    """Worked on it, by stage."""
    counts: Counter[str] = field(default_factory=Counter)
    """Drafts that came through, by stage."""
    entry: dict[str, Any] | None = None
    """What the journal says of it, once it is written."""

    def pack(self) -> bytes:
        """As one value of a row; only this package's own workers read it."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpack(cls, data: bytes) -> Batch:
        """Read what `pack` gave."""
        batch: Batch = pickle.loads(data)
        return batch

    def open(self) -> list[Draft]:
        """Drafts with something left to do."""
        return [draft for draft in self.drafts if draft.open]
