"""What stands before the routes: who may ask, from which site, with how large a body and in which time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ivm.core.errors import EngineBusyError
from ivm.serving.engine import Engine
from ivm.serving.problems import Refusal, problem
from ivm.serving.settings import HttpSettings

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer."""

DISCARD_SECONDS = 2.0
"""So long the rest of a refused body is read and thrown away: who is still sending could not read the reason."""


class Guard:
    """ASGI middleware; a request that it refuses gets a status and the reason, and never reaches a route."""

    def __init__(self, app: ASGIApp, *, engine: Engine, settings: HttpSettings, open_paths: Iterable[str]) -> None:
        """Put it before an app.

        Args:
            app: what is guarded.
            engine: asked whether it has room before a body is read.
            settings: the limits, keys, hosts and origins.
            open_paths: need no key; one that ends in "/" stands for all below it.
        """
        self.app = app
        self._engine = engine
        self._settings = settings
        self._open = tuple(open_paths)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive, self._settings, self)
        answer = _Answer(send)
        try:
            self._check(scope)
            await self.app(scope, body.receive, answer.send)
        except (Refusal, EngineBusyError) as error:
            if answer.started:
                raise
            await body.discard()
            status, headers, content = problem(error)
            if not body.complete:
                headers["connection"] = "close"
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            await answer.send({"type": "http.response.start", "status": status, "headers": raw})
            await answer.send({"type": "http.response.body", "body": content})
        finally:
            self._held -= body.size

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        settings = self._settings
        host = headers.get("host", "")
        if settings.hosts and _name_of(host) not in settings.hosts:
            raise Refusal(
                421, "wrong_host", f"This server is not called {host!r}: start it with --host-name {_name_of(host)}"
            )
        if scope["method"] not in _SAFE_METHODS:
            self._check_site(headers, host)
        if settings.keys and not self._is_open(scope["path"]) and not settings.keys.opens(_key_of(headers)):
            raise Refusal(
                401,
                "wrong_key",
                "This server asks for an API key: send the header Authorization: Bearer KEY",
                {"www-authenticate": "Bearer"},
            )
        head = sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope.get("query_string", b""))
        if head + len(scope["path"]) > settings.max_head:
            # The parser refuses this too, but not where all of it came at once.
            raise too_large_head(settings.max_head)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > settings.max_body:
            raise _too_large(settings.max_body)
        if scope["method"] == "POST":
            self._engine.check_room()

    def _check_site(self, headers: Headers, host: str) -> None:
        """Refuse what a page of another site sends without the right to: the browser tells where it comes from."""
        origin = headers.get("origin")
        if origin in self._settings.origins:
            return
        foreign = origin is not None and origin.partition("://")[2] != host
        if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refusal(
                403,
                "cross_site",
                f"Pages of {origin or 'another site'} may not ask this server: allow it with --origin",
            )

    def _is_open(self, path: str) -> bool:
        return any(path == one or (one.endswith("/") and one != "/" and path.startswith(one)) for one in self._open)

    def hold(self, size: int) -> None:
        """Count bytes of a body that is in memory against what all requests together may hold."""
        self._held += size
        if self._held > self._engine.settings.max_memory:
            seconds = self._engine.retry_after
            raise EngineBusyError(
                f"The server holds as many bodies as its memory allows: ask again in {seconds} s", retry_after=seconds
            )


class _Body:
    """A request's body with a limit on its bytes and on the time until its end."""

    def __init__(self, receive: Receive, settings: HttpSettings, guard: Guard) -> None:
        self._receive = receive
        self._settings = settings
        self._guard = guard
        self._until: float | None = None
        self.size = 0
        self.complete = False

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + self._settings.body_seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise slow_body(self._settings.body_seconds) from None
        if message["type"] != "http.request":
            self.complete = True
            return message
        self.complete = not message.get("more_body", False)
        fresh = len(message.get("body", b""))
        self.size += fresh
        self._guard.hold(fresh)
        if self.size > self._settings.max_body:
            raise _too_large(self._settings.max_body)
        return message

    async def discard(self) -> None:
        """Read what is still coming, for a short while."""
        left = self._settings.max_body
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self.complete and left > 0:
                    message = await self._receive()
                    self.complete = message["type"] != "http.request" or not message.get("more_body", False)
                    left -= len(message.get("body", b""))


class _Answer:
    """Sends an answer with the headers that every one has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            own: list[Any] = list(message.get("headers", []))
            names = {name.lower() for name, _ in own}
            message = {**message, "headers": own + [pair for pair in _HEADERS if pair[0] not in names]}
        await self._send(message)


def _key_of(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0].lower()


def too_large_head(max_head: int) -> Refusal:
    """Return the refusal of a request whose line and headers are too large."""
    return Refusal(431, "head_too_large", f"The headers have more than {max_head:,} bytes: send fewer or shorter ones")


def slow_body(seconds: float) -> Refusal:
    """Return the refusal of a request whose body comes too slowly."""
    return Refusal(408, "slow_body", f"The request's body did not come within {seconds:g} s: try again")


def _too_large(max_body: int) -> Refusal:
    return Refusal(
        413, "body_too_large", f"The request's body has more than {max_body:,} bytes: make the picture smaller"
    )
