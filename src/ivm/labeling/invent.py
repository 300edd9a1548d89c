"""The other way round: pictures whose masks are known get instructions whose answer needs what the mask holds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from ivm.core.errors import InstructionError, IvmError, RecordError
from ivm.core.images import load_image
from ivm.core.instruction import check_instruction
from ivm.core.model import RGBImage
from ivm.data.coding import Mask
from ivm.labeling.asking import Asker, ask_all, shown
from ivm.labeling.draft import Batch
from ivm.labeling.rules import parse
from ivm.labeling.stages import clocked
from ivm.labeling.task import Task
from ivm.lmm.prompts import Prompt
from ivm.lmm.questions import Question

INVENTION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "instruction": {"type": "string", "minLength": 3, "maxLength": 400},
        "answer": {"type": "string", "maxLength": 200},
    },
    "required": ["instruction", "answer"],
    "additionalProperties": False,
}

_TEMPLATES = (
    "pick up {the}", "bring {the} to me", "what is {the} made of?", "is there anything on top of {the}?",
    "move {the} a little to the left", "what is next to {the}?", "hand me {the}, please", "what colour is {the}?",
    "put {the} away", "could somebody trip over {the}?",
)  # fmt: skip


class Inventor(Protocol):
    """Makes instructions for known objects."""

    name: str

    def invent(self, tasks: Sequence[Task]) -> list[str | IvmError]:
        """One instruction a task; one that fails has its error in its place."""
        ...


class RuleInventor:
    """Puts the object's name into commands and questions; which one, the task's name decides."""

    name = "rules-v1"

    def invent(self, tasks: Sequence[Task]) -> list[str | IvmError]:
        """Fill in templates."""
        return [self._one(task) for task in tasks]

    def _one(self, task: Task) -> str | IvmError:
        try:
            phrase = parse(task.instructions[0])[0][0].phrase
        except InstructionError as error:
            return error
        named = phrase if phrase.startswith(("the ", "a ", "an ", "all ")) else f"the {phrase}"
        return _TEMPLATES[zlib.crc32(task.uuid.encode()) % len(_TEMPLATES)].format(the=named)


class LmmInventor:
    """Asks an LMM, with the object outlined, for an instruction that needs it and does not name it."""

    def __init__(self, asker: Asker, prompt: Prompt, *, max_tokens: int = 200) -> None:
        self._asker, self._prompt, self._max_tokens = asker, prompt, max_tokens
        self.name = f"{prompt.id} {asker.model}"

    def invent(self, tasks: Sequence[Task]) -> list[str | IvmError]:
        """Ask about all tasks side by side."""
        return ask_all(self._asker, map(self._question, tasks), _read, "invent an instruction")

    def _question(self, task: Task) -> Question | IvmError:
        try:
            if task.known is None:
                raise RecordError(f"{task.uuid} has no mask to invent an instruction for")
            image = outlined(load_image(task.picture), task.known.decode())
            named = parse(task.instructions[0])[0][0].phrase
        except IvmError as error:
            return error
        caption = task.instructions[-1] if len(task.instructions) > 1 else "none"
        messages = self._prompt.messages(pictures=[shown(image)], object=named, caption=caption)
        return Question(messages=messages, schema=INVENTION_SCHEMA, max_tokens=self._max_tokens)


class InventStage:
    """Adds an instruction to each draft whose mask is known."""

    def __init__(self, inventor: Inventor) -> None:
        self._inventor, self.name = inventor, "invent"

    def __call__(self, batch: Batch) -> Batch:
        """Invent for all open drafts."""
        drafts = batch.open()
        with clocked(batch, self.name, len(drafts)):
            for draft in drafts:
                if draft.task.known is None:
                    draft.fail(self.name, RecordError("it has no mask to invent an instruction for"))
            drafts = [draft for draft in drafts if draft.open]
            for draft, text in zip(drafts, self._inventor.invent([one.task for one in drafts]), strict=True):
                if isinstance(text, IvmError):
                    draft.fail(self.name, text)
                else:
                    draft.invented, draft.inventor = (text,), self._inventor.name
        return batch


def outlined(image: RGBImage, mask: Mask) -> RGBImage:
    """The picture (H, W, 3) with a yellow line around what the mask (H, W) holds.

    Raises:
        RecordError: their sizes differ.
    """
    if image.shape[:2] != mask.shape:
        raise RecordError(f"the mask has {mask.shape[1]}x{mask.shape[0]} pixels, its picture another size")
    shown_image = np.ascontiguousarray(image)
    lines, _ = cv2.findContours((mask > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown_image, lines, -1, (255, 220, 0), max(2, max(mask.shape) // 240))
    return shown_image


def _read(told: Any) -> str:
    return check_instruction(str(told["instruction"]))
