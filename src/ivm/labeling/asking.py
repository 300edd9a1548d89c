"""The LMM's parts of the engine: what it is asked with which prompt, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ivm.core.errors import InstructionError, IvmError, LmmError
from ivm.core.images import load_image
from ivm.core.model import RGBImage
from ivm.labeling.plan import MOST_TARGETS, ROLES, Plan, Target, distinct
from ivm.labeling.task import Task
from ivm.lmm.answers import Answer
from ivm.lmm.messages import Part, picture
from ivm.lmm.prompts import Prompt, newest_prompt
from ivm.lmm.questions import Question

PROMPTS = Path(__file__).with_name("prompts")
"""The prompts of this version; `recipe.py` lets a run bring its own."""
LONGEST_SIDE = 768
"""Of pictures that are sent."""

Result = TypeVar("Result")

PLAN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "things": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_TARGETS,
            "items": {
                "type": "object",
                "properties": {
                    "phrase": {"type": "string", "minLength": 1, "maxLength": 200},
                    "role": {"enum": list(ROLES)},
                },
                "required": ["phrase", "role"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["things"],
    "additionalProperties": False,
}


class Asker(Protocol):
    """Puts questions to an LMM: a client in this process, or the one that all workers of a run share."""

    model: str

    def ask_each(self, questions: Sequence[Question]) -> list[Answer | LmmError]:
        """Ask side by side; one that fails has its error in its place."""
        ...


def prompt_of(name: str, own: str | Path | None = None) -> Prompt:
    """Read a prompt: one's own file, or the newest of this package.

    Raises:
        OptionError: it cannot be read, or is no prompt.
    """
    return Prompt.read(own) if own is not None else newest_prompt(PROMPTS, name)


def shown(image: RGBImage) -> Part:
    """A picture as it is sent, (H, W, 3) uint8 RGB."""
    return picture(image, longest=LONGEST_SIDE)


def ask_all(
    asker: Asker, prepared: Iterable[Question | IvmError], read: Callable[[Any], Result], work: str
) -> list[Result | IvmError]:
    """Ask side by side; an error that stands in a question's place, or comes of its answer, stands in the result's.

    Args:
        asker: who is asked.
        prepared: the questions.
        read: makes a result of an answer's JSON value; its `InstructionError` is kept.
        work: what the model is asked to do, to say that it refuses.
    """
    prepared = list(prepared)
    answers = iter(asker.ask_each([one for one in prepared if isinstance(one, Question)]))
    return [_result(next(answers), read, work) if isinstance(one, Question) else one for one in prepared]


def _result(answer: Answer | LmmError, read: Callable[[Any], Result], work: str) -> Result | IvmError:
    if isinstance(answer, LmmError):
        return answer
    if answer.parsed is None:
        return LmmError(f"The model refuses to {work}: {answer.refusal}")
    try:
        return read(answer.parsed)
    except InstructionError as error:
        return error


class LmmPlanner:
    """Asks an LMM, with the picture, what an instruction needs."""

    def __init__(self, asker: Asker, prompt: Prompt, *, max_tokens: int = 400) -> None:
        self._asker, self._prompt, self._max_tokens = asker, prompt, max_tokens
        self.name = f"{prompt.id} {asker.model}"

    def plan(self, tasks: Sequence[Task]) -> list[Plan | IvmError]:
        """Plan tasks; equal instructions about equal pictures are asked once."""
        return ask_all(self._asker, map(self._question, tasks), self._read, "plan")

    def _question(self, task: Task) -> Question | IvmError:
        try:
            image = load_image(task.picture)
        except IvmError as error:
            return error
        messages = self._prompt.messages(pictures=[shown(image)], instruction=task.instructions[0])
        return Question(messages=messages, schema=PLAN_SCHEMA, max_tokens=self._max_tokens)

    def _read(self, told: Any) -> Plan:
        things = [Target(phrase=" ".join(str(one["phrase"]).split()), role=one["role"]) for one in told["things"]]
        return Plan(targets=distinct(things), maker=self.name)
