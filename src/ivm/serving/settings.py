"""What the engine, its sessions and the HTTP server take on, and what the engine counts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from ivm.core.errors import OptionError
from ivm.serving.keys import KeyRing


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """What the engine takes on, and how long it may take.

    Raises:
        OptionError: a number is not positive.
    """

    max_batch: int = 16
    """Questions that the model answers at once."""
    max_delay: float = 0.005
    """Seconds that a batch waits for more questions while others are on their way."""
    max_requests: int = 32
    """Requests at work or waiting; one more is refused."""
    max_memory: int = 1 << 30
    """Bytes of decoded pictures of all requests together; one more is refused, but a single one never."""
    max_bytes: int = 32 << 20
    """Bytes of a picture's file."""
    max_pixels: int = 40_000_000
    """Width times height of a picture."""
    timeout: float = 30.0
    """Seconds that a request may take."""

    def __post_init__(self) -> None:
        _check_positive(self, zero_too=("max_delay",))


@dataclass(kw_only=True, slots=True)
class EngineCounts:
    """What happened so far; each number only grows."""

    accepted: int = 0
    """Requests that got a place."""
    finished: int = 0
    """Requests that gave it back, answered or failed."""
    refused: int = 0
    timed_out: int = 0
    questions: int = 0
    """Answered by the model; what a session remembers is not asked again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSettings:
    """How many picture sessions are kept, and how long.

    Raises:
        OptionError: a number is not positive.
    """

    seconds: float = 600.0
    """A session ends when it was not used for so long."""
    max_sessions: int = 64
    max_memory: int = 1 << 29
    """Bytes of all sessions' pictures, features and answers."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """What the HTTP server lets in.

    Raises:
        OptionError: a number is not positive, or an origin is not one.
    """

    keys: KeyRing = field(default_factory=KeyRing)
    """Without a key on it, everyone may ask."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may ask, such as "https://example.org"; none by default (CORS)."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be called; any where none is given. Stops DNS rebinding."""
    max_instructions: int = 16
    """Instructions of one request."""
    max_body: int = 48 << 20
    """Bytes of a request's body; base64 makes a picture a third larger."""
    body_seconds: float = 20.0
    """Within so long a request's body must have come."""
    head_seconds: float = 10.0
    """Within so long a request's headers must have come."""
    send_seconds: float = 30.0
    """So long a client may leave an answer unread."""
    max_head: int = 16 << 10
    """Bytes of a request's line and headers."""
    max_connections: int = 512
    page: bool = False
    """Whether the page for people is at "/"."""

    def __post_init__(self) -> None:
        _check_positive(self)
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise OptionError(
                    f"An allowed origin is a scheme and a host such as https://example.org, not {origin!r}"
                )


def _check_positive(settings: Any, zero_too: tuple[str, ...] = ()) -> None:
    for one in fields(settings):
        value = getattr(settings, one.name)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and one.name not in zero_too
            and not value > 0
        ):
            raise OptionError(f"{one.name} must be a positive number, not {value!r}")
