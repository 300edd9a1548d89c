"""The server behind the proxy: requests go there and answers come back as they are, in pieces as they come."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.types import Scope

from ivm.core.errors import OptionError
from ivm.core.extras import optional
from ivm.serving.problems import Refusal
from ivm.serving.proxy_options import PREFIX

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
"""Headers about one connection, which never pass a proxy (RFC 9110, section 7.6.1)."""

_KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept; servers close theirs after 5 or more, and a request must not meet that."""


class Upstream:
    """A server that speaks OpenAI's protocol; everything but `send` is about its address."""

    def __init__(self, url: str, *, seconds: float = 600.0, connect_seconds: float = 10.0) -> None:
        """Take its address.

        Args:
            url: as one gives it to a client, "https://api.openai.com/v1" for example; a final "/v1" may be missing.
            seconds: how long it may be silent.
            connect_seconds: how long connecting may take.

        Raises:
            OptionError: it is no such address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        plain = not (parts.query or parts.fragment or "@" in parts.netloc) and url.isascii() and url.isprintable()
        if parts.scheme not in ("http", "https") or not parts.hostname or not plain or " " in url:
            raise OptionError(f"The upstream {url!r} is no address of a server: write https://host/v1")
        if not seconds > 0 or not connect_seconds > 0:
            raise OptionError(f"The upstream's time must be above 0 seconds, not {min(seconds, connect_seconds):g}")
        self.url = url
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._port = port or {"http": 80, "https": 443}[parts.scheme]
        self._host_header = parts.netloc.encode("ascii")
        self._base = parts.path.rstrip("/").encode("ascii")
        self._timeout = {"connect": connect_seconds, "read": seconds, "write": seconds}
        self._core = optional("httpcore2", extra="serve")
        self._pool: Any = None

    async def __aenter__(self) -> Upstream:
        tls: ssl.SSLContext | None = self._core.default_ssl_context() if self._scheme == "https" else None
        self._pool = self._core.AsyncConnectionPool(
            ssl_context=tls, max_connections=None, max_keepalive_connections=64, keepalive_expiry=_KEEP_ALIVE
        )
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._pool.aclose()

    def target(self, scope: Scope) -> bytes:
        """Where a request goes: its path after the upstream's, "/v1" once where both have it, and its query.

        Raises:
            Refusal: the path climbs out of the upstream's.
        """
        path: bytes = scope["raw_path"]
        if not path.startswith(b"/") or any(
            segment in (b".", b"..") for segment in unquote_to_bytes(path).replace(b"\\", b"/").split(b"/")
        ):
            raise Refusal(400, "bad_path", "The path must begin with / and hold no . or ..: write it out")
        if self._base.endswith(b"/v1") and (path == b"/v1" or path.startswith(b"/v1/")):
            path = path.removeprefix(b"/v1")
        query: bytes = scope["query_string"]
        return self._base + path + (b"?" + query if query else b"")

    @asynccontextmanager
    async def send(self, scope: Scope, content: bytes | AsyncIterator[bytes] | None) -> AsyncIterator[Any]:
        """Send a request on; gives httpcore's response, whose `aiter_stream` yields the body as it comes.

        Args:
            scope: the request that came.
            content: its body, whole or as it comes; None where it has none.

        Raises:
            Refusal: the upstream cannot be reached, or did not answer.
        """
        core = self._core
        url = core.URL(scheme=self._scheme, host=self._host, port=self._port, target=self.target(scope))
        headers = [(b"Host", self._host_header), *passing(scope["headers"], request=True)]
        if isinstance(content, bytes):
            headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
            headers.append((b"content-length", str(len(content)).encode()))
        elif content is not None and not any(name.lower() == b"content-length" for name, _ in headers):
            headers.append((b"transfer-encoding", b"chunked"))
        request = core.Request(
            scope["method"], url, headers=headers, content=content, extensions={"timeout": self._timeout}
        )
        try:
            response = await self._pool.handle_async_request(request)
        except core.TimeoutException:
            raise Refusal(
                504,
                "upstream_timeout",
                "The upstream did not answer in time: try again, or start the proxy with a larger --timeout",
            ) from None
        except (core.NetworkError, core.ProtocolError, ssl.SSLError) as error:
            raise Refusal(
                502,
                "upstream_unreachable",
                f"The upstream cannot be reached ({type(error).__name__}): check --upstream",
            ) from None
        try:
            yield response
        finally:
            await response.aclose()

    @property
    def broken(self) -> tuple[type[Exception], ...]:
        """What reading an answer raises when the upstream breaks off."""
        return (self._core.NetworkError, self._core.ProtocolError, self._core.TimeoutException)


def passing(headers: Iterable[tuple[bytes, bytes]], *, request: bool = False) -> Headers:
    """Return the headers that go on: all but those about one connection and, of a request, those for the proxy."""
    pairs = list(headers)
    named = {name.strip().lower() for key, value in pairs if key.lower() == b"connection" for name in value.split(b",")}
    stays = _HOP_BY_HOP | named | ({b"host", b"expect"} if request else set())
    own = PREFIX.encode() if request else b"\0"
    return [(key, value) for key, value in pairs if key.lower() not in stays and not key.lower().startswith(own)]
