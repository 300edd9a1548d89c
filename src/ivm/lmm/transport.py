"""Requests to one server: so many at once, sent again after failures that pass, the key nowhere but in their header."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from typing import Any
from urllib.parse import urlsplit

from ivm.core.errors import OptionError
from ivm.core.extras import optional
from ivm.lmm.completion import Completion, read_completion
from ivm.lmm.retrying import Failure, failure_of, next_wait

_NO_KEY = "none"
"""Sent where no key is set; servers on one's own machine take any."""
_SHORTEST_SECRET = 4
"""A shorter key is no secret, and hiding it would garble messages."""


class Transport:
    """Sends chat completions; for one event loop."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str,
        concurrency: int,
        retries: int,
        timeout_s: float,
        first_wait_s: float,
    ) -> None:
        """Make ready; the arguments are those of `LmmClient`.

        Raises:
            OptionError: the address is none, holds a password, or a time is not positive.
            MissingExtraError: the package openai is not installed.
        """
        self.base_url = _checked(base_url)
        for name, value in (("timeout_s", timeout_s), ("first_wait_s", first_wait_s)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise OptionError(f"{name} must be a number of seconds above 0, not {value!r}")
        self.retried = 0
        self._where = f"The model {model!r} at {self.base_url}"
        self._key_env, self._key = api_key_env, os.environ.get(api_key_env) or _NO_KEY
        # Its own retries are off: they neither wait as long as a server asks nor can be counted.
        self._client = optional("openai").AsyncOpenAI(
            base_url=self.base_url, api_key=self._key, max_retries=0, timeout=timeout_s
        )
        self._retries, self._timeout_s, self._first_wait_s = retries, timeout_s, first_wait_s
        self._rng = random.Random()
        self._slots = asyncio.Semaphore(concurrency)
        self._quiet_until = 0.0

    def slot(self) -> asyncio.Semaphore:
        """An async context manager in which `send` may be called, so many at once."""
        return self._slots

    async def send(self, body: dict[str, Any]) -> tuple[Completion, float]:
        """Send a request until it is answered.

        Args:
            body: arguments of the `openai` package's `chat.completions.create`.

        Returns:
            The answer, and the seconds that it was on its way, without earlier tries.

        Raises:
            LmmServerError: it failed until all retries were used up.
            LmmRefusedError: the server refuses it for good.
        """
        for attempt in itertools.count():
            while (left := self._quiet_until - time.monotonic()) > 0:
                await asyncio.sleep(left)
            began = time.monotonic()
            reply = await self._once(body)
            if isinstance(reply, Completion):
                return reply, time.monotonic() - began
            if not reply.passes or attempt == self._retries:
                raise reply.error(self._where, attempt + 1)
            if reply.wait_s is not None:  # what a server asks of one request holds for all
                self._quiet_until = max(self._quiet_until, time.monotonic() + reply.wait_s)
            self.retried += 1
            await asyncio.sleep(next_wait(attempt, self._first_wait_s, reply.wait_s, self._rng))
        raise AssertionError("the loop ends inside")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def _once(self, body: dict[str, Any]) -> Completion | Failure:
        try:
            # The package bounds the silence between two bytes; this bounds the whole.
            async with asyncio.timeout(self._timeout_s):
                raw = await self._client.chat.completions.with_raw_response.create(**body)
            return read_completion(raw.http_response.content)
        except Exception as error:
            failure = failure_of(error)
        return self._without_key(failure)

    def _without_key(self, failure: Failure) -> Failure:
        """A failure whose text, which may quote the key that was sent, does not hold it; nor do causes hang on it."""
        reason = failure.reason
        if self._key != _NO_KEY and len(self._key) >= _SHORTEST_SECRET:
            reason = reason.replace(self._key, f"${self._key_env}")
        return Failure(failure.passes, reason, failure.wait_s)


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url) if isinstance(base_url, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OptionError(f"The address of a server is like http://localhost:8000/v1, not {_bare(str(base_url))!r}")
    if parts.username or parts.password or parts.query:
        raise OptionError(
            f"The address {_bare(base_url)!r} holds a password or a query: set the key as an environment variable"
        )
    return base_url


def _bare(address: str) -> str:
    """An address without what may be secret in it."""
    return address.partition("?")[0].rpartition("@")[2]
