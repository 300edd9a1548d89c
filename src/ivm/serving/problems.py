"""Errors as HTTP has them: a status, and a JSON body that says the reason."""

from __future__ import annotations

import json
from typing import Any

from ivm.core.errors import (
    DeadlineError,
    EngineBusyError,
    ImageTooLargeError,
    InputError,
    IvmError,
    ModelMemoryError,
    OutputError,
    SessionGoneError,
)

_STATUS: tuple[tuple[type[IvmError], int], ...] = (
    (ImageTooLargeError, 413),
    (InputError, 422),
    (SessionGoneError, 404),
    (DeadlineError, 504),
    (ModelMemoryError, 503),
    (OutputError, 422),
)
"""The first class that an error is of has its status; all other errors are the server's own fault, 500."""


class Refusal(Exception):
    """What HTTP itself has a word for: no key, no such page, a body that cannot be read."""

    def __init__(self, status: int, type: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        """A word for programs, such as "missing_key"."""
        self.headers = headers or {}


def status_of(error: IvmError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, EngineBusyError):
        return 503 if error.stopping else 429
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(error: IvmError | Refusal) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and JSON body: {"error": {"type": word or class, "message": sentence}}."""
    if isinstance(error, Refusal):
        status, kind, headers = error.status, error.type, dict(error.headers)
    else:
        status, kind, headers = status_of(error), type(error).__name__, {}
    if isinstance(error, EngineBusyError):
        headers["retry-after"] = str(error.retry_after)
    body: dict[str, Any] = {"error": {"type": kind, "message": str(error)}}
    # A file's name or an instruction in the message need not be text.
    content = json.dumps(body).encode("ascii")
    return status, {"content-type": "application/json", "content-length": str(len(content)), **headers}, content
