"""What `ivm eval lmm` does: check for leaks, run the trial, print, write the report."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivm import __version__
from ivm.core.errors import LeakError
from ivm.core.files import write_files
from ivm.data.survey import Survey
from ivm.evaluation.outcome.examples import examples
from ivm.evaluation.outcome.leaks import LeakReport, check_leaks
from ivm.evaluation.outcome.page import page
from ivm.evaluation.outcome.results import TrialResults
from ivm.evaluation.outcome.verdict import sentences, told_p
from ivm.evaluation.trial.run import Outcome, Ran, Trial
from ivm.evaluation.trial.variants import Arm

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = "ivm-trial"
VERSION = 1
PACKAGES = ("numpy", "scipy", "opencv-python-headless", "onnxruntime", "pillow", "openai", "torch", "transformers")
"""Whose versions a report tells, where they are installed."""

REPORT, PAGE = "report.json", "report.html"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a run came to."""

    results: TrialResults
    leaks: LeakReport

    def show(self, console: Console) -> None:
        """Print what the check for leaks found, then one row an arm, and the sentences."""
        from rich.table import Table

        style = "bold red" if self.leaks.pairs else "dim"
        console.print(self.leaks.told, highlight=False, markup=False, soft_wrap=True, style=style)
        table = Table("Shown", "n", "accuracy", "change", "p", "not answered", box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        change = {one.second: one for one in self.results.against_raw}
        for one in self.results.arm_results:
            compared = change.get(one.arm)
            table.add_row(
                one.arm,
                str(one.questions),
                str(one.accuracy),
                f"{compared.difference.mean:+.3f}" if compared else "",
                told_p(compared.p) if compared else "",
                str(one.questions - one.states.get("answered", 0)),
            )
        console.print(table)
        for sentence in sentences(self.results):
            console.print(
                f"{'    ' if sentence.of_control else '- '}{sentence.text}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trial with all that its report tells.

    Attributes:
        trial: what is asked, and how.
        folder: for the report and for what makes a run go on where it stopped.
        place: of the benchmark, as the user gave it.
        command: the line that a person would type to get the same.
        train: surveys of training records, after their run, to look for leaks.
        allow_leaks: go on where there are some; the report tells.
        note: a sentence about the benchmark that the report must not leave out.
        usage: tells, at the end, what the LMM took.
        settings: further options, for the report.
    """

    trial: Trial
    folder: Path
    place: str
    command: str = ""
    train: Sequence[Survey] = ()
    allow_leaks: bool = False
    note: str = ""
    usage: Callable[[], Mapping[str, Any]] = dict
    settings: Mapping[str, Any] = field(default_factory=dict)

    def run(self, told: Callable[[Outcome], None] = lambda outcome: None) -> Finished:
        """Check for leaks, ask, and write `report.json` and `report.html`.

        Args:
            told: called with each outcome as it comes.

        Raises:
            LeakError: pictures of the benchmark are among the training records, and that is not allowed.
            OutputError: the folder cannot be written, or another run writes there.
        """
        leaks = check_leaks(self.train, self.trial.suite.questions)
        if leaks.pairs and not self.allow_leaks:
            first = leaks.pairs[0]
            raise LeakError(
                f"{leaks.told} The first: {first[0]} shows nearly {first[1]}. Train without them, or pass "
                "--allow-leaks and let the report tell"
            )
        ran = self.trial.run(self.folder, told)
        results = TrialResults(self.trial.suite.questions, ran.outcomes)
        origin = self._origin(ran, leaks)
        report = {
            "format": FORMAT,
            "version": VERSION,
            "origin": origin,
            **results.to_json(),
            "sentences": [one.text for one in sentences(results)],
            "outcomes": [asdict(one) for one in ran.outcomes],
        }
        primary = next(arm for arm in self.trial.arms if arm.view != "raw")
        text = page(results, origin, examples(results, self.trial.masking, Arm(primary.view)))
        write_files(
            [
                (self.folder / REPORT, json.dumps(report, indent=1, ensure_ascii=False).encode()),
                (self.folder / PAGE, text.encode()),
            ]
        )
        return Finished(results=results, leaks=leaks)

    def _origin(self, ran: Ran, leaks: LeakReport) -> dict[str, Any]:
        trial = self.trial
        pictures = hashlib.sha256("".join(sorted({one.checksum for one in ran.outcomes})).encode()).hexdigest()
        return {
            "command": self.command,
            "version": __version__,
            "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "packages": {"python": platform.python_version(), **_versions()},
            "suite": {
                "name": trial.suite.name,
                "place": self.place,
                "questions": len(trial.suite.questions),
                "sha256_questions": trial.suite.checksum,
                "sha256_pictures": pictures,
                **({"note": self.note} if self.note else {}),
            },
            "lmm": {**trial.answerer.about, "ranking": "likelihood" if trial.likelihood else "reply"},
            "mask_model": trial.mask_model,
            "settings": {
                "arms": [arm.name for arm in trial.arms],
                "threshold": trial.masking.threshold,
                "style": dict(trial.masking.style),
                "seed": trial.masking.seed,
                "concurrency": trial.concurrency,
                **self.settings,
            },
            "leaks": {
                "told": leaks.told,
                "checked": list(leaks.checked),
                "pairs": [list(pair) for pair in leaks.pairs],
            },
            "times": {**asdict(ran.times), "ratio": ran.times.ratio, "outcomes_of_earlier_runs": ran.taken},
            "usage": dict(self.usage()),
        }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
