"""What the scripted LMM of the labelling tests says: plans by the rules, verdicts by what is left of the picture.

With `GATE` in the environment it answers only about pictures whose task has a lower number than that file holds, so
that a test decides how far a run gets.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from fake_lmm import Act, Asked, Body, Drop, Hang, Mishaps, Reply, Status
from ivm.labeling.rules import parse


def instruction_of(asked: Asked) -> str:
    found = re.search(r"^Instruction: (.*)$", asked.text, re.MULTILINE)
    assert found is not None, "every prompt tells the instruction"
    return found[1]


def answer(asked: Asked) -> Act:
    """Plan or judge, as the schema asks."""
    instruction = instruction_of(asked)
    _wait_for_gate(instruction)
    if "things" in (asked.schema or {})["properties"]:
        targets, _ = parse(instruction)
        return json.dumps({"things": [{"phrase": one.phrase, "role": one.role} for one in targets]})
    left = float((asked.images[0] < 245).any(axis=2).mean())
    enough = 0.0 < left < 0.5
    return json.dumps({"enough": enough, "missing": "" if enough else "everything", "confidence": 0.9})


def _wait_for_gate(instruction: str) -> None:
    number = re.search(r"number (\d+)", instruction)
    if number is None or "GATE" not in os.environ:
        return
    while int(number[1]) >= int(Path(os.environ["GATE"]).read_text() or 0):
        time.sleep(0.02)


mishaps = Mishaps(
    answer,
    {
        0: Status(429, 0.05),
        2: "I think that the cup is needed.",
        3: Drop(40),
        5: Status(503),
        6: Hang(),
        8: '{"things": []}',
        9: Body(b"<html>bad gateway</html>"),
        11: Reply('{"things": [{"phrase": "the red', finish_reason="stop"),
        13: Status(429, 0.05),
    },
)
"""The answers, and before them all that servers do: refuse for now, chat, break off, crash, hang, send nonsense."""


def often(asked: Asked) -> Act:
    """The answers, and a mishap every 25 requests without end, each kind by turns."""
    kinds: tuple[Act, ...] = (
        Status(429, 0.05), "I think that the cup is needed.", Drop(40), Status(503), Body(b"<html>"), Hang(),
        '{"things": []}',
    )  # fmt: skip
    turn, rest = divmod(asked.number, 25)
    return kinds[turn % len(kinds)] if rest == 0 else answer(asked)
