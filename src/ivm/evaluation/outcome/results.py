"""A trial's outcomes as tables: accuracy by arm and category, states, latency, tokens, and every comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ivm.evaluation.bootstrap import Estimate, cluster_bootstrap
from ivm.evaluation.outcome.paired import Comparison, compare, holm
from ivm.evaluation.suites.item import VisualQuestion
from ivm.evaluation.trial.marking import STATES
from ivm.evaluation.trial.run import Outcome
from ivm.evaluation.trial.variants import RAW, Arm


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """One arm over all questions that it was asked."""

    arm: str
    questions: int
    accuracy: Estimate
    by_category: dict[str, float]
    states: dict[str, int]
    """How many questions ended in each state; all count in the accuracy."""
    coverage: float
    """Mean share of the picture that the mask keeps."""
    kept_whole: int
    """Questions in which nothing was masked, because the mask model found nothing."""
    megapixels: float
    """Mean of what was sent."""
    latency_s: float | None
    """Median of the answers, those from the cache at what they took then; None without one."""
    latency_p95_s: float | None
    prompt_tokens: int
    completion_tokens: int

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {**self.__dict__, "accuracy": self.accuracy._asdict()}


@dataclass(frozen=True)
class TrialResults:
    """What the outcomes of a trial come to.

    Attributes:
        questions: of the benchmark.
        outcomes: of every question in every arm.
    """

    questions: Sequence[VisualQuestion]
    outcomes: Sequence[Outcome]

    @cached_property
    def arms(self) -> list[Arm]:
        """In the order of the trial."""
        return [Arm.named(name) for name in dict.fromkeys(one.arm for one in self.outcomes)]

    @cached_property
    def by_arm(self) -> dict[str, dict[str, Outcome]]:
        """Outcomes by arm and question."""
        table: dict[str, dict[str, Outcome]] = {arm.name: {} for arm in self.arms}
        for one in self.outcomes:
            table[one.arm][one.question] = one
        return table

    @cached_property
    def group_of(self) -> dict[str, str]:
        """Picture by question."""
        return {question.id: question.picture.key for question in self.questions}

    @cached_property
    def categories(self) -> dict[str, str]:
        """Category by question."""
        return {question.id: question.category for question in self.questions}

    def arm(self, name: str) -> ArmResult:
        """One arm's numbers."""
        rows = list(self.by_arm[name].values())
        parts: dict[str, list[float]] = {}
        for row in rows:
            parts.setdefault(self.categories[row.question], []).append(row.score)
        states = Counter(row.state for row in rows)
        latencies = [row.latency_s for row in rows if row.state == "answered"]
        return ArmResult(
            arm=name,
            questions=len(rows),
            accuracy=cluster_bootstrap([row.score for row in rows], [self.group_of[row.question] for row in rows]),
            by_category={category: float(np.mean(scores)) for category, scores in sorted(parts.items())},
            states={state: states[state] for state in STATES if states[state]},
            coverage=float(np.mean([row.coverage for row in rows])),
            kept_whole=sum(row.kept_whole for row in rows),
            megapixels=float(np.mean([row.pixels for row in rows])) / 1e6,
            latency_s=float(np.median(latencies)) if latencies else None,
            latency_p95_s=float(np.percentile(latencies, 95)) if latencies else None,
            prompt_tokens=sum(row.prompt_tokens for row in rows),
            completion_tokens=sum(row.completion_tokens for row in rows),
        )

    @cached_property
    def arm_results(self) -> list[ArmResult]:
        """All arms' numbers."""
        return [self.arm(arm.name) for arm in self.arms]

    @cached_property
    def against_raw(self) -> list[Comparison]:
        """Each arm against raw; the p-values of the model's masks are corrected for how many views were tried."""
        found = [one for arm in self.arms if arm != RAW if (one := self._compared(RAW.name, arm.name))]
        asked = [one for one in found if Arm.named(one.second).mask == "model"]
        adjusted = dict(zip((one.second for one in asked), holm([one.p for one in asked]), strict=True))
        return [replace(one, adjusted_p=adjusted.get(one.second)) for one in found]

    @cached_property
    def against_controls(self) -> list[Comparison]:
        """Each view with the model's mask against its own controls: control first, mask second."""
        found = []
        for view in dict.fromkeys(arm.view for arm in self.arms if arm != RAW):
            for arm in self.arms:
                if arm.view == view and arm.mask != "model" and (one := self._compared(arm.name, view)):
                    found.append(one)
        return found

    @cached_property
    def suite_metrics(self) -> dict[str, dict[str, float]]:
        """What a benchmark reports beside accuracy, by arm: see `yes_no_metrics`; empty for the others."""
        by_id = {question.id: question for question in self.questions}
        if not all(question.scoring == "yes-no" for question in self.questions):
            return {}
        return {
            arm: yes_no_metrics([(by_id[name], one) for name, one in rows.items()]) for arm, rows in self.by_arm.items()
        }

    def to_json(self) -> dict[str, Any]:
        """All tables."""
        return {
            "arms": [one.to_json() for one in self.arm_results],
            "against_raw": [one.to_json() for one in self.against_raw],
            "against_controls": [one.to_json() for one in self.against_controls],
            "suite_metrics": self.suite_metrics,
        }

    def _compared(self, first: str, second: str) -> Comparison | None:
        scores = [
            {question: row.score for question, row in self.by_arm.get(name, {}).items()} for name in (first, second)
        ]
        return compare(scores[0], scores[1], self.group_of, names=(first, second))


def yes_no_metrics(rows: Sequence[tuple[VisualQuestion, Outcome]]) -> dict[str, float]:
    """POPE's precision, recall, F1 and share of yes, "yes" being the positive answer; MME's accuracy+ and score.

    accuracy+ is the share of the pictures whose every question is right; the score is the sum over categories of
    accuracy and accuracy+ in per cent. What is no answer counts as neither yes nor right.
    """
    yes = sum(outcome.said == "yes" for _, outcome in rows)
    truth = sum(question.answers[0] == "yes" for question, _ in rows)
    both = sum(question.answers[0] == "yes" == outcome.said for question, outcome in rows)
    precision, recall = both / yes if yes else 0.0, both / truth if truth else 0.0
    pictures: dict[tuple[str, str], list[float]] = {}
    for question, outcome in rows:
        pictures.setdefault((question.category, question.picture.key), []).append(outcome.score)
    score = 0.0
    for category in {category for category, _ in pictures}:
        inside = [scores for (own, _), scores in pictures.items() if own == category]
        score += 100 * float(np.mean([one for scores in inside for one in scores]))
        score += 100 * float(np.mean([min(scores) for scores in inside]))
    return {
        "precision": precision,
        "recall": recall,
        "F1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "yes": yes / len(rows),
        "accuracy+": float(np.mean([min(scores) for scores in pictures.values()])),
        "MME_score": score,
    }
