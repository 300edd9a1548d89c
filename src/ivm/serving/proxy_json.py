"""JSON text in which one string is changed and every other character stays: numbers, escapes, order, white space."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

MAX_DEPTH = 100
"""How deep lists and objects may be nested; chat requests with the largest schemas of tools reach 20."""

_SPACE = re.compile(r"[ \t\n\r]*")
# Numbers are only stepped over: as text they cost nothing and none is too long.
_SCALAR = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands: `text[start:end]`."""

    start: int
    end: int
    value: Value

    def get(self, key: str) -> Iterator[Node]:
        """Yield what an object has under a key, each time where it has it twice; nothing for other values."""
        if isinstance(self.value, tuple):
            yield from (node for name, node in self.value if name == key)

    def last(self, key: str) -> Node | None:
        """What an object has under a key, in the way of most parsers: the last one counts."""
        return next(reversed(list(self.get(key))), None)

    def items(self) -> list[Node]:
        """The items of a list; none of other values."""
        return self.value if isinstance(self.value, list) else []

    @property
    def string(self) -> str | None:
        """The text of a string; None of other values."""
        return self.value if isinstance(self.value, str) else None


Value: TypeAlias = "str | list[Node] | tuple[tuple[str, Node], ...] | None"
"""A string, a list, an object's keys with their values; None stands for numbers, true, false and null."""


@dataclass(frozen=True, slots=True)
class Edit:
    """New text in place of `text[start:end]`."""

    start: int
    end: int
    text: str


def scan(text: str) -> Node:
    """Read JSON text.

    Raises:
        ValueError: it is not JSON, or nested deeper than `MAX_DEPTH`.
    """
    node = _value(text, _after_space(text, 0), MAX_DEPTH)
    if _after_space(text, node.end) != len(text):
        raise ValueError(f"text goes on after the value at {node.end}")
    return node


def splice(text: str, edits: Iterable[Edit]) -> str:
    """Put in new texts; those at the same place in the order in which they come. They must not overlap."""
    parts: list[str] = []
    end = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        assert edit.start >= end
        parts += [text[end : edit.start], edit.text]
        end = edit.end
    return "".join([*parts, text[end:]])


def _value(text: str, at: int, depth: int) -> Node:
    if depth < 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    opening = text[at : at + 1]
    if opening == "[":
        return _list(text, at, depth)
    if opening == "{":
        return _object(text, at, depth)
    value, end = _SCALAR.raw_decode(text, at)
    return Node(at, end, value if opening == '"' else None)


def _list(text: str, start: int, depth: int) -> Node:
    nodes: list[Node] = []
    at = _after_space(text, start + 1)
    if text[at : at + 1] == "]":
        return Node(start, at + 1, nodes)
    while True:
        nodes.append(_value(text, at, depth - 1))
        at, more = _separator(text, nodes[-1].end, "]")
        if not more:
            return Node(start, at, nodes)


def _object(text: str, start: int, depth: int) -> Node:
    pairs: list[tuple[str, Node]] = []
    at = _after_space(text, start + 1)
    if text[at : at + 1] == "}":
        return Node(start, at + 1, ())
    while True:
        if text[at : at + 1] != '"':
            raise ValueError(f"a key was expected at {at}")
        key, end = _SCALAR.raw_decode(text, at)
        at = _after_space(text, end)
        if text[at : at + 1] != ":":
            raise ValueError(f"a colon was expected at {at}")
        pairs.append((key, _value(text, _after_space(text, at + 1), depth - 1)))
        at, more = _separator(text, pairs[-1][1].end, "}")
        if not more:
            return Node(start, at, tuple(pairs))


def _separator(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Step over a comma, or the closing bracket; the bool tells whether it was a comma."""
    at = _after_space(text, at)
    found = text[at : at + 1]
    if found == closing:
        return at + 1, False
    if found != ",":
        raise ValueError(f"a comma or {closing} was expected at {at}")
    return _after_space(text, at + 1), True


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
