"""Fetches pictures from the web on behalf of strangers, and never from where strangers must not reach (SSRF).

A name is resolved once a hop, every address it has is judged, and the connection goes to one of those very addresses:
between the judgement and the connection nothing is looked up again, so a name that changes its mind (DNS rebinding)
changes nothing. The name still goes into `Host` and into the TLS handshake. Redirects are hops like the first one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeAlias

from ivm.core.errors import ImageAddressError, ImageDownloadError, ImageTooLargeError, OptionError
from ivm.core.extras import optional
from ivm.serving.fetching_address import Allowed
from ivm.serving.fetching_url import Target, parse_url, shortened
from ivm.serving.pictures import decode_text

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Returns all addresses of a host, as `socket.getaddrinfo` spells them."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system for all addresses of a host.

    Raises:
        OSError: it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    """What fetching one picture may cost.

    Raises:
        OptionError: a limit is not positive.
    """

    max_bytes: int = 20 * 2**20
    seconds: float = 20.0
    """From the first look-up to the last byte, redirects included."""
    redirects: int = 5
    allowed: Allowed = field(default_factory=Allowed)
    remote: bool = True
    """False refuses all but data URLs."""

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or not self.seconds > 0 or self.redirects < 0:
            raise OptionError("Pictures are fetched with at least 1 byte, a time above 0 and 0 redirects or more")


class PictureFetcher:
    """Turns the address of a picture, http(s) or data, into bytes."""

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make a fetcher.

        Args:
            limits: the defaults if None.
            resolve: looks up a host's addresses.
            tls: whom to trust; the system's certificates if None.
        """
        self.limits = limits or FetchLimits()
        self._resolve = resolve
        self._tls = tls

    async def fetch(self, url: str) -> bytes:
        """Return the bytes behind an address; whether they are a picture is for `load_image` to say.

        Raises:
            ImageAddressError: the address must not be fetched, or is none.
            ImageDownloadError: nothing came, too slowly, or no success.
            ImageTooLargeError: more bytes than the limit.
            ImageFormatError: a damaged data URL.
        """
        if url[:5].lower() == "data:":
            return await asyncio.to_thread(decode_text, url, self.limits.max_bytes)
        if not self.limits.remote:
            raise ImageAddressError("Pictures are not fetched from the web here: send them as data URLs")
        target = parse_url(url)
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self._follow(target)
        except TimeoutError:
            raise ImageDownloadError(
                f"{shortened(url)} did not arrive within {self.limits.seconds:g} seconds: try again, or send the "
                "picture itself"
            ) from None

    async def _follow(self, target: Target) -> bytes:
        """Fetch, going where redirects lead."""
        for _ in range(self.limits.redirects + 1):
            answer = await self._get(target)
            if isinstance(answer, bytes):
                return answer
            target = parse_url(target.join(answer))
        raise ImageDownloadError(
            f"{shortened(target.url)} is behind more than {self.limits.redirects} redirects: give its last address"
        )

    async def _get(self, target: Target) -> bytes | str:
        """Fetch from one place: the bytes, or where the redirect leads."""
        core = optional("httpcore2", extra="serve")
        addresses = await self._addresses(target)
        if self._tls is None and target.scheme == "https":
            self._tls = await asyncio.to_thread(core.default_ssl_context)
        # A pool of its own: a connection is used for one hop, so none is ever reused for an address not judged.
        async with core.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=_Pinned(target, addresses), max_connections=1
        ) as pool:
            request = core.Request(
                "GET",
                core.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
                headers=[
                    ("Host", target.host_header),
                    ("User-Agent", "ivm"),
                    ("Accept", "image/*"),
                    ("Accept-Encoding", "identity"),
                    ("Connection", "close"),
                ],
                extensions={"timeout": {"connect": self.limits.seconds / 3}},  # leaves time for a second address
            )
            try:
                response = await pool.handle_async_request(request)
                try:
                    return await self._read(response, target)
                finally:
                    await response.aclose()
            except (core.NetworkError, core.ProtocolError, core.TimeoutException, ssl.SSLError) as error:
                raise ImageDownloadError(
                    f"{shortened(target.url)} could not be fetched ({type(error).__name__}): check the address"
                ) from None

    async def _addresses(self, target: Target) -> list[str]:
        """All addresses of a host, each one judged.

        Raises:
            ImageAddressError: one of them is refused.
            ImageDownloadError: it has none.
        """
        try:
            ip_address(target.host)
            addresses = [target.host]
        except ValueError:
            try:
                addresses = await self._resolve(target.host, target.port)
            except (OSError, UnicodeError):
                addresses = []
        if not addresses:
            raise ImageDownloadError(f"{shortened(target.url)}: there is no host of this name: check the address")
        for address in addresses:
            if self.limits.allowed.refusal(target.host, address):
                # Which kind it is stays untold: strangers would learn the names of a network by asking.
                raise ImageAddressError(
                    f"{shortened(target.url)} is not on the public internet and is not fetched: send the picture as a "
                    "data URL, or let the operator allow its host"
                )
        return addresses

    async def _read(self, response: Any, target: Target) -> bytes | str:
        headers: dict[bytes, str] = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _REDIRECTS and b"location" in headers:
            return headers[b"location"]
        if response.status != 200:
            raise ImageDownloadError(
                f"{shortened(target.url)} answers with status {response.status}: check the address"
            )
        if headers.get(b"content-encoding", "identity").lower() != "identity":
            raise ImageDownloadError(f"{shortened(target.url)} is sent compressed, although that was not asked for")
        length = headers.get(b"content-length", "")
        if length.isdigit() and int(length) > self.limits.max_bytes:
            raise self._too_large(target)
        return await self._whole(response.aiter_stream(), target)

    async def _whole(self, parts: AsyncIterator[bytes], target: Target) -> bytes:
        content = bytearray()
        async for part in parts:
            content += part
            if len(content) > self.limits.max_bytes:
                raise self._too_large(target)
        return bytes(content)

    def _too_large(self, target: Target) -> ImageTooLargeError:
        return ImageTooLargeError(
            f"{shortened(target.url)} is larger than {self.limits.max_bytes:,} bytes: make the picture smaller"
        )


class _Pinned:
    """A network (httpcore's `AsyncNetworkBackend`) that reaches one host at judged addresses, and nothing else."""

    def __init__(self, target: Target, addresses: Sequence[str]) -> None:
        self._target = target
        self._addresses = addresses

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> Any:
        """Connect to the first address that answers."""
        assert (host, port) == (self._target.host, self._target.port)
        core = optional("httpcore2", extra="serve")
        failure: Exception | None = None
        for address in self._addresses:
            try:
                return await core.AnyIOBackend().connect_tcp(address, port, timeout, **options)
            except (core.NetworkError, core.TimeoutException) as error:
                failure = error
        assert failure is not None
        raise failure
