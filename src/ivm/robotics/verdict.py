"""What a table of success rates says: whether masks doubled success under distraction, and cost none without."""

from __future__ import annotations

from collections.abc import Sequence

from ivm.robotics.study import Cell

CALM = "trained"
HARD = {"distractors": "under distraction", "all": "with all changes together"}


def verdicts(cells: Sequence[Cell], baseline: str) -> list[str]:
    """Return a sentence for each arm that can be compared with the baseline, an arm without masks."""
    rates = {(cell.arm, cell.level): cell.rate for cell in cells}
    arms = list(dict.fromkeys(cell.arm for cell in cells if cell.arm != baseline))
    rows = []
    for arm in arms:
        parts = []
        for level, words in HARD.items():
            if (arm, level) in rates and (baseline, level) in rates:
                ours, theirs = rates[arm, level], rates[baseline, level]
                reached = ours.mean >= 2 * theirs.mean and ours.mean > theirs.mean
                verb = "at least twice" if reached else "less than twice"
                parts.append(f"{words} {ours} against {theirs}, {verb}")
        if (arm, CALM) in rates and (baseline, CALM) in rates:
            ours, theirs = rates[arm, CALM], rates[baseline, CALM]
            verb = "no loss beyond the interval" if ours.high >= theirs.mean else "a loss beyond the interval"
            parts.append(f"as trained {ours} against {theirs}, {verb}")
        if parts:
            rows.append(f"{arm} against {baseline}: {'; '.join(parts)}.")
    return rows
