"""The chain as one table: what each step runs, what proves that it ran, and what the page says of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("runs/story")
"""Where everything goes, below the folder that the story is run in."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command.

    Attributes:
        name: short, for files and for the terminal.
        chapter: heading of the page under which it stands.
        says: one sentence for the page.
        command: as a reader types it.
        makes: file or folder that is there afterwards, below `FOLDER`.
        uses: names of the steps whose results it reads.
    """

    name: str
    chapter: str
    says: str
    command: str
    makes: str
    uses: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The command's words."""
        return shlex.split(self.command)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of everything."""

    people: int = 150
    tables: int = 200
    held_out: int = 80
    questions: int = 4
    steps: int = 200
    calibration: int = 32
    episodes: int = 2


TINY = Size(people=4, tables=4, held_out=4, questions=2, steps=4, calibration=32, episodes=1)
"""Enough to see that every step runs, in a test; the numbers mean nothing."""


def chain(size: Size | None = None) -> tuple[Step, ...]:
    """Return the steps in order.

    Args:
        size: how much of everything; the story's own by default.
    """
    of = size or Size()
    shorter = "" if of.steps == Size.steps else f" steps={of.steps}"
    make = f"ivm data make --questions {of.questions}"
    world, labels, training, trial, use = (
        "A small world",
        "Labels by a machine",
        "Training",
        "Before and after",
        "In front of a robot",
    )
    return (
        Step(
            name="people",
            chapter=world,
            says="Tables with questions about them, and exact masks: they stand for what people have labelled.",
            command=f"{make} --scenes {of.people} --seed 51 -o runs/story/people",
            makes="people",
        ),
        Step(
            name="tables",
            chapter=world,
            says="More tables, of which only pictures and questions will be looked at.",
            command=f"{make} --scenes {of.tables} --seed 52 -o runs/story/tables",
            makes="tables",
        ),
        Step(
            name="held-out",
            chapter=world,
            says="Tables that nothing learns from, to measure on.",
            command=f"{make} --scenes {of.held_out} --seed 53 -o runs/story/held-out",
            makes="held-out",
        ),
        Step(
            name="look",
            chapter=world,
            says="A page with some of them.",
            command="ivm data show runs/story/people -o runs/story/people.html --count 6",
            makes="people.html",
            uses=("people",),
        ),
        Step(
            name="experts",
            chapter=labels,
            says="Two experts that are wrong on purpose: ivm-nano with a fault built into its graph. One hears no word "
            "for a colour, the other draws far beyond every edge. A label recipe names them like any other model.",
            command="python -m scripts.story.experts -o runs/story/experts",
            makes="experts",
        ),
        Step(
            name="label",
            chapter=labels,
            says="The engine plans each question, asks ivm-nano and both faulty experts, and joins what they say. "
            "Nobody has told it whom to believe.",
            command="ivm label recipes/story/label.yaml",
            makes="labels/report.json",
            uses=("tables", "experts"),
        ),
        Step(
            name="labels",
            chapter=labels,
            says="A page with some of its labels.",
            command="ivm data show runs/story/labels -o runs/story/labels.html --count 6",
            makes="labels.html",
            uses=("label",),
        ),
        Step(
            name="train before",
            chapter=training,
            says="Before: the network that ships goes on learning, and every label counts alike.",
            command=f"ivm train recipes/story/model.yaml weighting.kind=uniform{shorter} -o runs/story/before --quiet",
            makes="before/last.ckpt",
            uses=("people", "label"),
        ),
        Step(
            name="train after",
            chapter=training,
            says="After: a discriminator learns what people's labels look like, and a machine's label counts as much "
            "as it looks like one (DWSL). All else is the same.",
            command=f"ivm train recipes/story/model.yaml{shorter} -o runs/story/after --quiet",
            makes="after/last.ckpt",
            uses=("people", "label"),
        ),
        Step(
            name="export before",
            chapter=training,
            says="To ONNX, checked against the network.",
            command=f"ivm export runs/story/before/last.ckpt --scenes {of.calibration} -o runs/story/before-model",
            makes="before-model/model.json",
            uses=("train before",),
        ),
        Step(
            name="export after",
            chapter=training,
            says="The same of the second one: a model like any other, which runs without PyTorch.",
            command=f"ivm export runs/story/after/last.ckpt --scenes {of.calibration} -o runs/story/after-model",
            makes="after-model/model.json",
            uses=("train after",),
        ),
        Step(
            name="eval start",
            chapter=trial,
            says="Asks the network that both went on from about the held-out tables.",
            command="ivm eval masks runs/story/held-out -o runs/story/start.json",
            makes="start.json",
            uses=("held-out",),
        ),
        Step(
            name="eval before",
            chapter=trial,
            says="Asks the first model the same.",
            command="ivm eval masks runs/story/held-out --model runs/story/before-model -o runs/story/before.json",
            makes="before.json",
            uses=("held-out", "export before"),
        ),
        Step(
            name="eval after",
            chapter=trial,
            says="Asks the second model the same, too.",
            command="ivm eval masks runs/story/held-out --model runs/story/after-model -o runs/story/after.json",
            makes="after.json",
            uses=("held-out", "export after"),
        ),
        Step(
            name="diff",
            chapter=trial,
            says="Compares both question by question; whole pictures are resampled and flipped.",
            command="ivm eval diff runs/story/before.json runs/story/after.json",
            makes="after.json",
            uses=("eval before", "eval after"),
        ),
        Step(
            name="mask",
            chapter=trial,
            says="What the new model keeps of a picture at the size of a camera's.",
            command='ivm mask examples/tabletop.jpg "pick up the red cup" --model runs/story/after-model '
            "-o runs/story/masked",
            makes="masked",
            uses=("export after",),
        ),
        Step(
            name="rollout",
            chapter=use,
            says="A simulated robot at work: the scripted expert's episodes as a LeRobot data set.",
            command=f"ivm robot collect --episodes {of.episodes} --verb put --size 192 -o runs/story/rollout",
            makes="rollout/meta/info.json",
        ),
        Step(
            name="rollout masked",
            chapter=use,
            says="Its pictures, masked by what the robot was told.",
            command="ivm robot mask runs/story/rollout --every 4 --model runs/story/after-model "
            "-o runs/story/rollout-masked",
            makes="rollout-masked/meta/info.json",
            uses=("rollout", "export after"),
        ),
    )
