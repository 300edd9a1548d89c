"""Answers as JSON of a given form: how a server is asked for it, and how what comes back is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from ivm.core.errors import LmmAnswerError, OptionError
from ivm.core.extras import optional
from ivm.lmm.messages import Message, assistant, user

Structured = Literal["json_schema", "json_object", "text"]
"""How a server is asked for JSON: with the schema, which it then enforces; for any JSON, the schema told in words; or
in words alone. Servers differ in what they know, and the choice is the user's: none is tried in place of another."""

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_MOST_TOLD = 300


class Structure:
    """One form of answers: a JSON schema, and the way in which the server is asked for it."""

    def __init__(self, schema: Mapping[str, Any], way: Structured) -> None:
        """Check the schema.

        Raises:
            OptionError: it is no JSON schema.
            MissingExtraError: the package jsonschema is not installed.
        """
        jsonschema = optional("jsonschema")
        validator = jsonschema.Draft202012Validator
        try:
            validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise OptionError(f"The schema of the answer is no JSON schema: {error.message}") from None
        self._schema, self._way = dict(schema), way
        self._validator = validator(self._schema)

    def options(self) -> dict[str, Any]:
        """What the request says of the form."""
        if self._way == "text":
            return {}
        if self._way == "json_object":
            return {"response_format": {"type": "json_object"}}
        named = {"name": "answer", "schema": self._schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}

    def told(self, messages: list[Message]) -> list[Message]:
        """The messages, and after them the schema in words where the server is not given it otherwise."""
        if self._way == "json_schema":
            return messages
        wanted = f"Answer with JSON alone, of this JSON schema: {json.dumps(self._schema)}"
        return [*messages, user(wanted)]

    def read(self, text: str) -> Any:
        """Read an answer's JSON; a Markdown fence around it is taken off.

        Raises:
            LmmAnswerError: it is not JSON, or not of the schema; the message is for the model as well as for people.
        """
        fenced = _FENCED.search(text)
        try:
            value = json.loads(fenced.group(1) if fenced else text)
        except (ValueError, RecursionError) as error:
            raise LmmAnswerError(f"the answer is not JSON ({error}): {_short(text)}") from None
        wrong = next(iter(sorted(self._validator.iter_errors(value), key=lambda one: list(map(str, one.path)))), None)
        if wrong is not None:
            place = "/".join(map(str, wrong.absolute_path)) or "the whole"
            raise LmmAnswerError(f"the answer is not of the schema ({place}: {_short(wrong.message)})")
        return value


def asked_again(messages: list[Message], text: str, reason: LmmAnswerError) -> list[Message]:
    """The conversation that tells a model what was wrong with its answer, and asks for a right one."""
    return [*messages, assistant(text), user(f"This cannot be used: {reason}. Answer again, with the JSON alone.")]


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]}..."
