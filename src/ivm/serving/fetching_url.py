"""A picture's address taken apart, strictly: what browsers, resolvers and libraries read differently is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urljoin

from ivm.core.errors import ImageAddressError
from ivm.serving.fetching_address import is_host

MAX_LENGTH = 8192
"""Characters of an address; nobody's picture needs more, a data URL is no address."""

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<authority>[^/?#]*)"
    r"(?P<path>/[^?#]*)?"
    r"(?P<query>\?[^#]*)?"
    r"(?:#.*)?",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """Where a picture lies."""

    scheme: str
    """"http" or "https"."""
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    path: str
    """With the query, percent-encoded, as it goes into the request."""

    @property
    def host_header(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address again."""
        return f"{self.scheme}://{self.host_header}{self.path}"

    def join(self, location: str) -> str:
        """The address that a redirect to `location` leads to."""
        return urljoin(self.url, location)


def parse_url(url: str) -> Target:
    """Take an address apart.

    Raises:
        ImageAddressError: not http or https; a name and password in it; an IP address in any but its usual spelling;
            a port below 1024 other than 80 and 443; white space, control characters, backslashes.
    """
    shown = shortened(url)
    if len(url) > MAX_LENGTH:
        raise ImageAddressError(f"The address {shown} has {len(url):,} characters, {MAX_LENGTH:,} at most")
    if re.search(r"[^\x21-\x7e]|\\", url):
        raise ImageAddressError(
            f"The address {shown} holds white space, a backslash or a character beyond ASCII: percent-encode it, and "
            "write the host in its ASCII form (xn--...)"
        )
    found = _URL.fullmatch(url)
    if found is None:
        raise ImageAddressError(f"The address {shown} is not http:// or https://: use one of these, or a data URL")
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None:
        why = "holds a user name" if "@" in found["authority"] else "names no host"
        raise ImageAddressError(f"The address {shown} {why}: write https://host/path")
    scheme = found["scheme"].lower()
    port = int(authority["port"] or _PORTS[scheme])
    if port not in _PORTS.values() and not 1024 <= port <= 65535:
        raise ImageAddressError(f"The address {shown} has the port {port}: use 80, 443, or one from 1024 to 65535")
    path = (found["path"] or "/") + (found["query"] or "")
    return Target(scheme, _host(authority["host"].lower(), shown), port, path)


def shortened(url: str, length: int = 120) -> str:
    """An address for a message: quoted, on one line, without its user and query, which may hold a key."""
    text = re.sub(r"//[^/?#]*@", "//...@", url.partition("?")[0])
    return repr(text if len(text) <= length else f"{text[:length]}...")


def _host(text: str, shown: str) -> str:
    """Check the host of an address."""
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if text[-1].isdigit() and text.replace(".", "").isdigit():
            return str(IPv4Address(text))
    except AddressValueError:
        pass
    else:
        if is_host(text):
            return text
    raise ImageAddressError(
        f"The address {shown} has no usable host: write a name, or an IP address as 93.184.216.34 or [2001:db8::1]"
    )
