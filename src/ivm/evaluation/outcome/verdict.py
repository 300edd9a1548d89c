"""What a trial says, in sentences that follow from its numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ivm.evaluation.outcome.paired import Comparison
from ivm.evaluation.outcome.results import TrialResults
from ivm.evaluation.trial.variants import Arm

LEVEL = 0.05


class Sentence(NamedTuple):
    """One thing that a trial says."""

    text: str
    of_control: bool = False
    """Whether it is about a control of the view before it."""


def sentences(results: TrialResults) -> Iterator[Sentence]:
    """Say for each view whether its mask helps, and what its controls do."""
    raw = {one.second: one for one in results.against_raw}
    controls = {one.first: one for one in results.against_controls}
    for view in dict.fromkeys(arm.view for arm in results.arms if arm.view != "raw"):
        if view not in raw:
            continue
        yield Sentence(_main(view, raw[view]))
        for mask in ("random", "shuffled", "matched"):
            name = Arm(view, mask).name
            if name in raw and name in controls:
                yield Sentence(_control(name, raw[name], controls[name]), of_control=True)
        oracle = Arm(view, "oracle").name
        if oracle in raw and oracle in controls:
            yield Sentence(_oracle(oracle, raw[oracle], controls[oracle]), of_control=True)
    lost = [one for one in results.outcomes if one.state != "answered"]
    if lost:
        yield Sentence(
            f"{len(lost)} of {len(results.outcomes)} answers are missing or could not be read; each counts as wrong, "
            "and the table of states tells them apart."
        )


def _main(view: str, one: Comparison) -> str:
    p = one.p if one.adjusted_p is None else one.adjusted_p
    effect = "makes no difference that this many questions could show"
    if p < LEVEL:
        effect = "helps" if one.difference.mean > 0 else "hurts"
    return f"Masking ({view}) {effect}: {_numbers(one)}, {_p(p)} ({one.test}, corrected for all views)."


def _control(name: str, raw: Comparison, own: Comparison) -> str:
    if raw.p >= LEVEL:
        effect = "changes nothing that could be shown"
    else:
        effect = "helps as well" if raw.difference.mean > 0 else "hurts"
    against = "better" if own.difference.mean > 0 else "not better"
    if own.p >= LEVEL:
        against = "not shown to be better"
    return (
        f"The control {name} {effect}: {_numbers(raw)}, {_p(raw.p)}; the model's mask is {against} than it "
        f"({own.difference.mean:+.3f}, {_p(own.p)})."
    )


def _oracle(name: str, raw: Comparison, own: Comparison) -> str:
    gap = -own.difference.mean
    place = "above" if gap > 0 else "at the level of" if gap == 0 else "below"
    return (
        f"With the true boxes ({name}) it is {_numbers(raw)}, {_p(raw.p)}: {gap:+.3f} {place} the model's mask "
        f"({_p(own.p)})."
    )


def _numbers(one: Comparison) -> str:
    low, high = one.difference.low, one.difference.high
    interval = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
    change = f"{one.difference.mean:+.3f}{interval}"
    return f"{one.first_mean:.3f} to {one.second_mean:.3f}, {change}, {one.helped} helped and {one.hurt} hurt"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def told_p(p: float) -> str:
    """A p-value as a cell of a table has it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
