"""Plots as inline SVG whose places are shares of its width, so that they fit any screen with text at its own size."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ivm.evaluation.outcome.results import ArmResult
from ivm.evaluation.trial.variants import Arm


def forest(arms: Sequence[ArmResult]) -> str:
    """One row an arm: its accuracy as a dot, its 95 % interval as a bar, raw's accuracy as a line through all rows."""
    raw = next((one.accuracy.mean for one in arms if one.arm == "raw"), None)
    rows = []
    for one in arms:
        kind = "raw" if one.arm == "raw" else "own" if Arm.named(one.arm).mask == "model" else "control"
        low = one.accuracy.mean if one.accuracy.low is None else one.accuracy.low
        high = one.accuracy.mean if one.accuracy.high is None else one.accuracy.high
        line = "" if raw is None else f'<line class="mark" x1="{raw:.2%}" x2="{raw:.2%}" y1="0" y2="24"></line>'
        rows.append(
            f'<div class="row {kind}"><span class="name">{escape(one.arm)}</span>'
            f'<svg width="100%" height="24" role="img" aria-label="{escape(one.arm)}: {one.accuracy.mean:.3f}">'
            f'<line class="axis" x1="0" x2="100%" y1="12" y2="12"></line>{line}'
            f'<line class="bar" x1="{low:.2%}" x2="{high:.2%}" y1="12" y2="12"></line>'
            f'<circle class="dot" cx="{one.accuracy.mean:.2%}" cy="12" r="5"></circle></svg>'
            f'<span class="value">{one.accuracy.mean:.3f}</span></div>'
        )
    scale = (
        '<div class="row scale"><span class="name"></span><span class="ends"><i>0</i><i>0.5</i><i>1</i></span></div>'
    )
    return f'<div class="forest">{"".join(rows)}{scale}</div>'
