"""Puts stages together from plain values, in the worker that runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ivm.core.errors import OptionError
from ivm.labeling.asking import Asker, LmmPlanner
from ivm.labeling.calibration import Calibration
from ivm.labeling.draft import Batch
from ivm.labeling.expert import Expert, ExpertSpec
from ivm.labeling.invent import InventStage, LmmInventor, RuleInventor
from ivm.labeling.plan import KEPT_ROLES, Planner, Role
from ivm.labeling.rules import RulePlanner
from ivm.labeling.run import StageSpec
from ivm.labeling.stages import ExpertStage, FuseStage, Limits, PlanStage, VerifyStage, through
from ivm.labeling.verify import AgainVerifier, JudgeVerifier, LmmVerifier, MaskJudge, Verifier
from ivm.lmm.prompts import Prompt

Verifying = Literal["none", "lmm", "again", "judge"]
_LIGHT = 0.25
"""Cores of a worker that mostly waits."""


@dataclass(slots=True)
class Several:
    """Stages that share a worker."""

    stages: Sequence[Callable[[Batch], Batch]]

    def __call__(self, batch: Batch) -> Batch:
        """Pass a batch through all."""
        return through(self.stages, batch)


def label_stages(
    *,
    experts: Sequence[ExpertSpec],
    plan: Prompt | None = None,
    roles: tuple[Role, ...] = KEPT_ROLES,
    calibration: Calibration = Calibration(),  # noqa: B008 - it is frozen
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    verifier: Verifying = "none",
    verify: Prompt | None = None,
    judge: Callable[[], MaskJudge] | None = None,
) -> tuple[StageSpec, ...]:
    """The stages that draw masks: planning, a pool for each expert, and joining with verifying.

    Args:
        experts: one or more.
        plan: the LMM planner's prompt, or None for the rules.
        roles: whose masks are joined.
        calibration: of the experts.
        limits: what a record must be.
        verifier: who verifies.
        verify: the LMM verifier's prompt.
        judge: opens the judge that verifies, in the worker; can be pickled.
    """
    pools = [
        StageSpec(
            name=spec.name, make=partial(expert_stage, spec), workers=spec.workers, cpus=spec.cpus, gpus=spec.gpus
        )
        for spec in experts
    ]
    last = partial(judging_stage, calibration, limits, verifier, verify, judge, experts[0])
    return (
        StageSpec(name="plan", make=partial(plan_stage, plan, roles), cpus=_LIGHT),
        *pools,
        StageSpec(name="fuse", make=last, cpus=2 * _LIGHT),
    )


def plan_stage(prompt: Prompt | None, roles: tuple[Role, ...], asker: Asker | None) -> PlanStage:
    """Make the stage that plans."""
    planner: Planner = RulePlanner() if prompt is None else LmmPlanner(_needed(asker), prompt)
    return PlanStage(planner, roles)


def expert_stage(spec: ExpertSpec, asker: Asker | None) -> ExpertStage:
    """Make the stage of one expert; raises as `ExpertSpec.load` does."""
    return ExpertStage(Expert.load(spec))


def judging_stage(
    calibration: Calibration,
    limits: Limits,
    verifying: Verifying,
    prompt: Prompt | None,
    judge: Callable[[], MaskJudge] | None,
    expert: ExpertSpec,
    asker: Asker | None,
) -> Callable[[Batch], Batch]:
    """Make the stage that joins opinions and, where wished, lets somebody verify."""
    fusing = FuseStage(calibration, limits)
    if verifying == "none":
        return fusing
    verifier: Verifier
    if verifying == "lmm":
        if prompt is None:
            raise OptionError("An LMM that verifies needs a prompt")
        verifier = LmmVerifier(_needed(asker), prompt)
    elif verifying == "judge":
        if judge is None:
            raise OptionError("A judge that verifies must be opened: give judge")
        verifier = JudgeVerifier(judge(), least=limits.human)
    else:
        verifier = AgainVerifier(Expert.load(expert))
    return Several([fusing, VerifyStage(verifier)])


def invent_stage(prompt: Prompt | None, asker: Asker | None) -> InventStage:
    """Make the stage that invents instructions."""
    return InventStage(RuleInventor() if prompt is None else LmmInventor(_needed(asker), prompt))


def _needed(asker: Asker | None) -> Asker:
    if asker is None:
        raise OptionError("A stage asks an LMM, and the run has none: give lmm in the recipe")
    return asker
