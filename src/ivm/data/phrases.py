"""How people ask for a class of things: short English instructions."""

from __future__ import annotations

_PLURALS = {
    "person": "people",
    "sheep": "sheep",
    "broccoli": "broccoli",
    "knife": "knives",
    "mouse": "mice",
    "skis": "skis",
    "scissors": "scissors",
    "toothbrush": "toothbrushes",
    "traffic light": "traffic lights",
    "leaf": "leaves",
    "loaf": "loaves",
}
_UNCOUNTED = frozenset({"sky", "road", "broccoli", "skis", "scissors", "ground", "grass", "water"})


def plural(noun: str) -> str:
    """The plural of a noun of the usual object classes."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def ask_for(noun: str, count: int) -> tuple[str, ...]:
    """Instructions that mean all `count` things of a class in a picture."""
    if count == 1 or noun in _UNCOUNTED:
        return (
            f"the {noun}",
            f"find the {noun}",
            f"where is the {noun}?" if noun[-1] != "s" else f"show me the {noun}",
        )
    many = plural(noun)
    return (f"the {many}", f"find all {many}", f"where are the {many}?")
