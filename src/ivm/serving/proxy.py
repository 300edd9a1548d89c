"""The proxy as an ASGI app: an OpenAI-compatible server in front of another one, which masks pictures on their way.

`POST .../chat/completions` is read, its pictures are masked, and it goes on with only those changed; everything else
passes through as it comes, and so do all answers.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from ivm.core.errors import IvmError
from ivm.inference.masker import Masker
from ivm.serving.engine import Engine
from ivm.serving.fetching import FetchLimits, PictureFetcher
from ivm.serving.problems import Refusal
from ivm.serving.proxy_body import Body, ClientGoneError, Memory
from ivm.serving.proxy_errors import openai_error
from ivm.serving.proxy_masking import MAX_PICTURES, PictureMasker, Report
from ivm.serving.proxy_options import MaskOptions, with_headers
from ivm.serving.proxy_upstream import Headers, Upstream, passing
from ivm.serving.settings import EngineSettings, HttpSettings

log = logging.getLogger("ivm.proxy")
OWN_PATHS = "/ivm"
"""The proxy's own pages are below; all other paths are the upstream's."""


@dataclass(frozen=True, kw_only=True)
class ProxySettings:
    """All that a proxy is started with."""

    upstream: str
    """Its address, as one gives it to a client."""
    upstream_seconds: float = 600.0
    """How long it may be silent."""
    options: MaskOptions = field(default_factory=MaskOptions)
    fetch: FetchLimits = field(default_factory=FetchLimits)
    engine: EngineSettings = field(default_factory=EngineSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    max_pictures: int = MAX_PICTURES


def create_proxy(masker: Masker, settings: ProxySettings) -> Starlette:
    """Build the app around a model; its lifespan starts the engine, and ends only when all accepted work is done.

    Raises:
        OptionError: a setting is outside its range.
    """
    engine = Engine(masker, settings.engine)
    proxy = Proxy(
        Upstream(settings.upstream, seconds=settings.upstream_seconds),
        PictureMasker(engine, PictureFetcher(settings.fetch), settings.max_pictures),
        settings,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with proxy.upstream, engine:
            yield

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        well = engine.ready and not app.state.stopping
        return JSONResponse({"status": "ready" if well else "not ready"}, 200 if well else 503)

    app = Starlette(
        routes=[
            Route(f"{OWN_PATHS}/healthz", health),
            Route(f"{OWN_PATHS}/readyz", ready),
            Mount("/", app=proxy),
        ],
        lifespan=lifespan,
    )
    app.state.stopping = False
    return app


class Proxy:
    """Hands requests to the upstream and its answers back."""

    def __init__(self, upstream: Upstream, masker: PictureMasker, settings: ProxySettings) -> None:
        self.upstream = upstream
        self._masker = masker
        self._settings = settings
        self._memory = Memory(settings.engine.max_memory)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"The proxy speaks HTTP, not {scope['type']}")
        exchange = _Exchange(send, time.monotonic())
        body = Body(scope, receive, self._settings.http.body_seconds)
        try:
            check_site(scope, self._settings.http)
            await _unless(body.gone(), self._answer(scope, body, exchange))
        except (IvmError, Refusal) as error:
            await exchange.refuse(error, close=not await body.discard(self._settings.http.max_body))
        except ClientGoneError:
            exchange.status = 499  # nginx's word for it
        except Exception:
            log.exception("the proxy made a mistake")
            if exchange.status:
                raise
            await exchange.refuse(Refusal(500, "internal", "The proxy made a mistake: its log tells which"), close=True)
        finally:
            exchange.note(scope)

    async def _answer(self, scope: Scope, body: Body, exchange: _Exchange) -> None:
        options = with_headers(self._settings.options, scope["headers"])
        if not options.mask or not _is_chat(scope):
            await self._forward(scope, body.pieces() if body.there else None, exchange)
            return
        encoding = dict(scope["headers"]).get(b"content-encoding", b"identity")
        if encoding.lower() != b"identity":
            raise Refusal(
                415, "compressed", "The proxy does not read compressed requests: send it plain, or X-IVM-Mask: off"
            )
        content = await body.whole(self._settings.http.max_body, self._memory)
        held = len(content)
        try:
            content, exchange.report = await self._masker.mask_body(content, options)
            await self._forward(scope, content, exchange)
        finally:
            self._memory.used -= held

    async def _forward(self, scope: Scope, content: bytes | AsyncIterator[bytes] | None, exchange: _Exchange) -> None:
        async with self.upstream.send(scope, content) as response:
            told = exchange.report.headers() if exchange.report else []
            await exchange.start(response.status, passing(response.headers) + told)
            try:
                async for piece in response.aiter_stream():
                    await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
            except self.upstream.broken as error:
                # The answer stays without its end, so that the client sees that it was cut, as without a proxy.
                log.warning("the upstream broke off (%s)", type(error).__name__)
                return
            await exchange.send({"type": "http.response.body", "body": b""})


class _Exchange:
    """One answer, and what is noted of it: never a header, a query or a body, which hold keys and pictures."""

    def __init__(self, send: Send, started: float) -> None:
        self.send = send
        self.status = 0
        self.report: Report | None = None
        self._started = started

    async def start(self, status: int, headers: Headers) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def refuse(self, error: IvmError | Refusal, *, close: bool) -> None:
        if self.status:
            raise error
        status, headers, content = openai_error(error)
        await self.start(status, [*headers, (b"connection", b"close")] if close else headers)
        await self.send({"type": "http.response.body", "body": content})

    def note(self, scope: Scope) -> None:
        pictures = ", ".join(map(str, self.report.outcomes)) if self.report else "-"
        seconds = time.monotonic() - self._started
        log.info("%s %r %s %.3f s, pictures: %s", scope["method"], scope["path"], self.status, seconds, pictures)


def check_site(scope: Scope, http: HttpSettings) -> None:
    """Refuse a web page of another site, which could use the proxy behind its user's back, and other names of the host.

    Raises:
        Refusal: the request comes from elsewhere.
    """
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    if http.hosts and re.sub(r":\d*$", "", host).lower() not in http.hosts:
        raise Refusal(421, "wrong_host", f"This proxy is not called {host!r}: start it with --host-name")
    origin = headers.get(b"origin")
    if origin is None or origin in http.origins:
        return
    if origin.partition("://")[2] != host:
        raise Refusal(403, "cross_site", f"Pages of {origin} may not use this proxy: allow it with --origin")


def _is_chat(scope: Scope) -> bool:
    path = re.sub("/+", "/", scope["path"]).rstrip("/")
    return scope["method"] == "POST" and path.endswith("/chat/completions")


async def _unless(gone: Coroutine[Any, Any, None], work: Coroutine[Any, Any, None]) -> None:
    """Do the work, but stop where the client leaves.

    Raises:
        ClientGoneError: it left.
    """
    leaving, working = asyncio.ensure_future(gone), asyncio.ensure_future(work)
    try:
        await asyncio.wait((leaving, working), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        await working
    finally:
        for task in (leaving, working):
            task.cancel()
        await asyncio.gather(leaving, working, return_exceptions=True)
