"""Which failures of a server pass by themselves, and how long to wait before a request is sent again."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ivm.core.errors import LmmError, LmmRefusedError, LmmServerError
from ivm.core.extras import optional

_PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may succeed."""
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a 429 that no waiting mends."""
_MOST_TOLD = 300
LONGEST_WAIT_S = 60.0
"""Of the waits chosen here."""
PATIENCE_S = 600.0
"""Longest wait that a server may ask for."""


class NoCompletionError(Exception):
    """A server's answer with status 200 that is no chat completion."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed."""

    passes: bool
    """Whether the same request may succeed later."""
    reason: str
    wait_s: float | None = None
    """Seconds that the server asks to wait."""

    def error(self, where: str, tries: int) -> LmmError:
        """The error that ends a question.

        Args:
            where: server and model, for people.
            tries: how often the request was sent.
        """
        if self.passes:
            return LmmServerError(
                f"{where} gave no answer after {tries} tries ({self.reason}): see that the server runs, then run again"
            )
        return LmmRefusedError(f"{where} refuses: {self.reason}")


def failure_of(error: Exception) -> Failure:
    """Tell what an exception of the `openai` package means, a timeout, or a body that is no completion.

    Raises:
        Exception: the error itself where it is a mistake of the program.
    """
    openai = optional("openai")
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Failure(True, "no answer in time; a longer timeout_s waits longer")
    if isinstance(error, openai.APIConnectionError):
        return Failure(True, f"the connection failed: {error.__cause__ or error}"[:_MOST_TOLD])
    if isinstance(error, openai.APIStatusError):
        return _status(error)
    if isinstance(error, NoCompletionError):
        return Failure(True, str(error))
    raise error


def _status(error: Any) -> Failure:
    status = int(error.status_code)
    told = error.body.get("message") if isinstance(error.body, dict) else error.message
    reason = f"status {status}, {' '.join(str(told).split())}"[:_MOST_TOLD]
    wait_s = asked_wait(error.response.headers)
    passes = (status >= 500 or status in _PASSING) and error.code not in _SPENT and error.type not in _SPENT
    if passes and wait_s is not None and wait_s > PATIENCE_S:
        return Failure(False, f"{reason}; it asks to wait {wait_s:.0f} s: run again then")
    return Failure(passes, f"{reason}{'' if passes else _remedy(status)}", wait_s)


def _remedy(status: int) -> str:
    remedies = {
        400: "; where it knows no json_schema, choose structured='json_object' or 'text'",
        401: "; set the environment variable with the API key",
        403: "; the API key may not do this",
        404: "; check the address, which mostly ends in /v1, and the model's name",
        413: "; send smaller pictures",
    }
    return remedies.get(status, "")


def asked_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the headers `retry-after-ms` or `Retry-After` (RFC 9110, 10.2.3) ask to wait; None for none.

    Args:
        headers: of the answer, found by lower-case name.
        now: the present time, for a header that names a date.
    """
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = _until(value, now or datetime.now(UTC))
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _until(date: str, now: datetime) -> float:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()


def next_wait(attempt: int, first_s: float, asked_s: float | None, rng: random.Random) -> float:
    """Seconds to wait before a request is sent again.

    Exponential back-off with full jitter, so that clients that failed together do not come back together (Brooker,
    "Exponential Backoff and Jitter", AWS Architecture Blog 2015); never less than the server asks for.

    Args:
        attempt: 0 after the first failure.
        first_s: upper bound of the first wait.
        asked_s: what the server asks for, if it does.
        rng: draws the jitter.
    """
    bound = min(LONGEST_WAIT_S, first_s * 2.0**attempt)
    return (asked_s or 0.0) + bound * rng.random()
