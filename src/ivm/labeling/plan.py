"""What an instruction needs: the phrases that a planner finds in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from ivm.core.errors import InstructionError, IvmError
from ivm.core.instruction import check_instruction
from ivm.labeling.task import Task

Role = Literal["target", "relation", "container", "tool"]
"""What is acted on or asked about; what only says which one is meant; where something goes; what it is done with."""

ROLES: tuple[Role, ...] = get_args(Role)
KEPT_ROLES: tuple[Role, ...] = ("target", "container", "tool")
"""Whose masks are joined, unless a recipe says otherwise."""
MOST_TARGETS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One thing that an instruction speaks of."""

    phrase: str
    """As an expert is asked: "the red cup"."""
    role: Role = "target"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The things that an instruction speaks of.

    Attributes:
        targets: one or more, in the order of the instruction.
        maker: the planner and its version, as provenance cites it.
        understood: False where the planner could only take the instruction whole.
    """

    targets: tuple[Target, ...]
    maker: str
    understood: bool = True

    def __post_init__(self) -> None:
        """Check the targets.

        Raises:
            InstructionError: there is none, there are more than `MOST_TARGETS`, or a phrase is none.
        """
        if not 1 <= len(self.targets) <= MOST_TARGETS:
            raise InstructionError(f"A plan names 1 to {MOST_TARGETS} things, not {len(self.targets)}: ask for less")
        for target in self.targets:
            check_instruction(target.phrase)

    def of_roles(self, roles: Sequence[Role]) -> tuple[Target, ...]:
        """The targets of some roles; all, where none has one of them."""
        return tuple(target for target in self.targets if target.role in roles) or self.targets


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The first of the targets of each phrase, in their order."""
    return tuple({target.phrase: target for target in reversed(list(targets))}.values())[::-1]


class Planner(Protocol):
    """Finds out what instructions need."""

    name: str
    """With its version, as provenance cites it."""

    def plan(self, tasks: Sequence[Task]) -> list[Plan | IvmError]:
        """Plan tasks; one that fails has its error in its place."""
        ...
