"""The stages of a run: each takes a batch of drafts, does its part of the work on the open ones, and passes it on.

A stage that costs something to begin (a model to load) begins when its worker is made; all are built from plain values,
so that workers on other machines can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError, ModelError
from ivm.data.faults import Fault
from ivm.data.parts import Part
from ivm.labeling.calibration import Calibration
from ivm.labeling.draft import Batch, Draft
from ivm.labeling.expert import Expert
from ivm.labeling.fusion import fuse, union
from ivm.labeling.plan import Planner, Role
from ivm.labeling.task import TaskSource
from ivm.labeling.verify import Case, Verifier
from ivm.masking.heatmap import upsample_logits


@contextmanager
def clocked(batch: Batch, name: str, drafts: int) -> Iterator[None]:
    """Add the time of a stage, and how many drafts it saw, to the batch."""
    began = time.perf_counter()
    try:
        yield
    finally:
        batch.seconds[name] += time.perf_counter() - began
        batch.counts[name] += drafts


@dataclass(frozen=True, slots=True)
class ReadStage:
    """Begins a batch: reads the tasks of a part."""

    source: TaskSource
    name: str = "read"

    def begin(self, number: int, part: Part) -> Batch:
        """Read a part."""
        batch = Batch(number, [], [])
        began = time.perf_counter()
        for item in self.source.tasks(*part):
            if isinstance(item, Fault):
                batch.faults.append(item)
            else:
                batch.drafts.append(Draft(item))
        batch.seconds[self.name] += time.perf_counter() - began
        batch.counts[self.name] += len(batch.drafts) + len(batch.faults)
        return batch


@dataclass(slots=True)
class PlanStage:
    """Finds out what instructions need."""

    planner: Planner
    roles: tuple[Role, ...]
    name: str = "plan"

    def __call__(self, batch: Batch) -> Batch:
        """Plan all drafts."""
        drafts = batch.open()
        with clocked(batch, self.name, len(drafts)):
            for draft, plan in zip(drafts, self.planner.plan([draft.task for draft in drafts]), strict=True):
                if isinstance(plan, IvmError):
                    draft.fail(self.name, plan)
                else:
                    draft.plan, draft.targets = plan, plan.of_roles(self.roles)
        return batch


@dataclass(slots=True)
class ExpertStage:
    """Asks one expert."""

    expert: Expert
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"expert {self.expert.spec.name}"

    def __call__(self, batch: Batch) -> Batch:
        """Ask about all drafts; those whose picture cannot be read fail."""
        drafts, before = batch.open(), self.expert.model_s
        with clocked(batch, self.name, len(drafts)):
            questions = []
            for draft in drafts:
                try:
                    questions.append((draft, draft.image(), [target.phrase for target in draft.targets]))
                except IvmError as error:
                    draft.fail(self.name, error)
            said = self.expert.opinions([(image, phrases) for _, image, phrases in questions])
            for (draft, _, _), opinions in zip(questions, said, strict=True):
                if isinstance(opinions, IvmError):
                    draft.silent[self.expert.spec.name] = str(opinions)
                else:
                    draft.opinions[self.expert.spec.name] = opinions
        batch.seconds[f"{self.name}: model"] += self.expert.model_s - before
        return batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a record must be to be used.

    Attributes:
        quality: least expected overlap with the truth.
        presence: least probability that each thing is there.
        smallest: least share of the picture that is needed.
        largest: greatest share.
        human: least probability that a person drew the mask, where a judge verifies.
    """

    quality: float = 0.5
    presence: float = 0.5
    smallest: float = 0.0002
    largest: float = 0.9
    human: float = 0.3


@dataclass(slots=True)
class FuseStage:
    """Joins the experts' opinions, thing by thing, and rejects what is doubtful."""

    calibration: Calibration
    limits: Limits
    name: str = "fuse"

    def __call__(self, batch: Batch) -> Batch:
        """Join the opinions of all drafts; they are let go of afterwards."""
        drafts = batch.open()
        with clocked(batch, self.name, len(drafts)):
            for draft in drafts:
                self._one(draft)
                draft.opinions = {}
        return batch

    def _one(self, draft: Draft) -> None:
        if not draft.opinions:
            why = "; ".join(f"{name}: {message}" for name, message in draft.silent.items())
            draft.fail(self.name, ModelError(f"No expert answered ({why})"))
            return
        height, width = draft.image().shape[:2]
        draft.fused = tuple(
            fuse({name: said[index] for name, said in draft.opinions.items()}, self.calibration, height, width)
            for index in range(len(draft.targets))
        )
        draft.rejected = self._reason(draft)

    def _reason(self, draft: Draft) -> str:
        """Why a draft is not to be used, or nothing."""
        absent = [one.presence < self.limits.presence for one in draft.fused]
        empty = [not one.mask.any() for one in draft.fused]
        logits, quality = union(draft.fused)
        share = float((logits > 0).mean())
        if all(absent):
            return "nothing found"
        if any(absent):
            return "something not found"
        if any(empty):  # each may have drawn something, but elsewhere than the others
            return "experts disagree" if len(draft.fused[0].agreement) > 1 else "nothing found"
        if share < self.limits.smallest:
            return "too small"
        if share > self.limits.largest:
            return "too large"
        return "experts disagree" if quality < self.limits.quality else ""


@dataclass(slots=True)
class VerifyStage:
    """Lets a verifier judge what is not rejected yet."""

    verifier: Verifier
    name: str = "verify"

    def __call__(self, batch: Batch) -> Batch:
        """Judge all open drafts; those that cannot be judged fail."""
        drafts = batch.open()
        with clocked(batch, self.name, len(drafts)):
            for draft, verdict in zip(drafts, self.verifier.verify([case_of(draft) for draft in drafts]), strict=True):
                draft.verifier = self.verifier.name
                if isinstance(verdict, IvmError):
                    draft.fail(self.name, verdict)
                    continue
                draft.verdict = verdict
                if not verdict.good:
                    draft.rejected = "verifier"
        return batch


def mask_of(draft: Draft) -> NDArray[np.bool_]:
    """The mask of a fused draft at the picture's size, (H, W) bool."""
    height, width = draft.image().shape[:2]
    logits, _ = union(draft.fused)
    return upsample_logits(logits, height, width) > 0


def case_of(draft: Draft) -> Case:
    """What a verifier is shown of a draft."""
    return Case(
        image=draft.image(),
        mask=mask_of(draft),
        instruction=draft.task.instructions[0],
        phrases=tuple(target.phrase for target in draft.targets),
    )


def through(stages: Sequence[Callable[[Batch], Batch]], batch: Batch) -> Batch:
    """Pass a batch through stages in this process."""
    for stage in stages:
        batch = stage(batch)
    return batch
