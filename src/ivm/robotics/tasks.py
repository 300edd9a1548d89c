"""What a robot is asked to do on the table, in words, and how it is known that it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ivm.core.errors import OptionError
from ivm.data.tabletop.layout import Thing

Verb = Literal["pick", "put", "push"]
VERBS: tuple[Verb, ...] = get_args(Verb)

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = get_args(Side)

LIFTED = 4.0
"""Height in cm above the table at which a thing counts as picked up."""

PUSHED = 5.0
"""Way in cm to the side at which a thing counts as pushed."""


@dataclass(frozen=True)
class Task:
    """One instruction about things that lie on the table."""

    verb: Verb
    target: int
    """Id of the thing that is to be moved, as in the segmentation."""
    goal: int | None
    """Id of the thing onto which it is put, for the verb "put"."""
    side: Side | None
    """Where to it is pushed, for the verb "push", as the camera sees it."""
    instruction: str

    @property
    def needed(self) -> tuple[int, ...]:
        """Ids of the things that the instruction needs."""
        return (self.target,) if self.goal is None else (self.target, self.goal)


def name_of(thing: Thing) -> str:
    """Return the words that name a thing, for example "red cup"."""
    return f"{thing.color} {thing.kind}"


def task_for(verb: Verb, things: Sequence[Thing], *, target: int, goal: int | None, side: Side | None) -> Task:
    """Put a task into words; ids count the things from 1."""
    name = name_of(things[target - 1])
    if verb == "put":
        if goal is None:
            raise OptionError("The verb 'put' needs a goal: the id of a thing that holds others")
        return Task(verb, target, goal, None, f"put the {name} on the {name_of(things[goal - 1])}")
    if verb == "push":
        return Task(verb, target, None, side or "left", f"push the {name} to the {side or 'left'}")
    return Task(verb, target, None, None, f"pick up the {name}")


@dataclass(frozen=True)
class Standing:
    """Where a thing is, as far as success depends on it; lengths in cm."""

    place: np.ndarray[tuple[int], np.dtype[np.float64]]
    """(3,) middle of its lower side."""
    speed: float
    """In cm/s."""
    radius: float
    height: float


def succeeded(task: Task, target: Standing, goal: Standing | None, start: Standing, *, held: bool) -> bool:
    """Whether the task is done.

    Args:
        task: what was asked.
        target: the thing as it is now.
        goal: the thing that it is put onto, for the verb "put".
        start: the thing as it was at the beginning of the episode.
        held: whether both fingers touch it.
    """
    if task.verb == "pick":
        return held and float(target.place[2]) > LIFTED
    if task.verb == "push":
        way = float(target.place[0] - start.place[0]) * (-1 if task.side == "left" else 1)
        return way > PUSHED and float(target.place[2]) < 1
    assert goal is not None, "task_for gives every put a goal"
    apart = float(np.linalg.norm(target.place[:2] - goal.place[:2]))
    rise = float(target.place[2] - goal.place[2])
    return not held and target.speed < 5 and apart < 0.8 * goal.radius and 0 < rise < goal.height + 1.5
