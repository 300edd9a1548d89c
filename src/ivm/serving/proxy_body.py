"""A request's body on its way in: with limits where it is held whole, piece by piece where it passes through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope

from ivm.core.errors import EngineBusyError
from ivm.serving.guard import DISCARD_SECONDS, slow_body
from ivm.serving.problems import Refusal


class ClientGoneError(Exception):
    """Nobody is there any more to answer."""


class Memory:
    """Counts the bytes of all bodies together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Count more bytes.

        Raises:
            EngineBusyError: that is more than the limit; nothing was counted.
        """
        if self.used + size > self.limit:
            raise EngineBusyError("The proxy holds as many requests as its memory allows: ask again in 1 s")
        self.used += size


class Body:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive, seconds: float) -> None:
        """Prepare to read.

        Args:
            scope: the request.
            receive: gives its pieces.
            seconds: within which a whole body must come, or the next piece of one that passes through.
        """
        headers = {name.lower(): value for name, value in scope["headers"]}
        self.length = int(headers.get(b"content-length", b"0"))
        self.there = self.length > 0 or b"transfer-encoding" in headers
        self._receive = receive
        self._seconds = seconds
        self._ended = asyncio.Event()
        if not self.there:
            self._ended.set()

    async def whole(self, limit: int, memory: Memory) -> bytes:
        """Read all of it; what it takes of the memory is for the caller to give back.

        Raises:
            Refusal: more than `limit` bytes, or too slow.
            EngineBusyError: the memory is full.
            ClientGoneError: the client left.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while not self._ended.is_set():
                    piece = await self._piece()
                    if max(self.length, len(content) + len(piece)) > limit:
                        raise Refusal(413, "body_too_large", f"The request has more than {limit:,} bytes: send less")
                    memory.take(len(piece))
                    content += piece
        except TimeoutError:
            memory.used -= len(content)
            raise slow_body(self._seconds) from None
        except BaseException:
            memory.used -= len(content)
            raise
        return bytes(content)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it as it comes.

        Raises:
            Refusal: nothing came for too long.
            ClientGoneError: the client left.
        """
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(self._seconds):
                    piece = await self._piece()
            except TimeoutError:
                raise slow_body(self._seconds) from None
            if piece:
                yield piece

    async def discard(self, limit: int) -> bool:
        """Read what is still coming, for a short while; returns whether it ended."""
        with contextlib.suppress(TimeoutError, ClientGoneError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._ended.is_set() and limit > 0:
                    limit -= len(await self._piece())
        return self._ended.is_set()

    async def gone(self) -> None:
        """Return when the client has left; not before its body was read."""
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        if not message.get("more_body", False):
            self._ended.set()
        piece: bytes = message.get("body", b"")
        return piece
