"""Which addresses a picture may be fetched from: public ones, and those that the operator names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from ivm.core.errors import OptionError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NOT_PUBLIC_4: dict[IPv4Network, str] = {
    IPv4Network(network): kind
    for network, kind in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by carriers",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "a cloud's own",
        "169.254.0.0/16": "link-local",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
}
"""IANA's registry of special IPv4 addresses that are not global, multicast, and the address of Azure's host agent."""

_PUBLIC_6 = IPv6Network("2000::/3")
"""All that IANA has handed out as global unicast; everything else is refused, so nothing needs to be listed."""

_NOT_PUBLIC_6: dict[IPv6Network, str] = {
    IPv6Network(network): kind
    for network, kind in {
        "2001::/23": "reserved, or a Teredo tunnel",
        "2001:db8::/32": "for documentation",
        "2002::/16": "a 6to4 tunnel",
        "3fff::/20": "for documentation",
    }.items()
}
_NAT64 = IPv6Network("64:ff9b::/96")
"""Where an IPv6-only network puts the whole of IPv4 (RFC 6052)."""

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")


def why_not_public(address: Address) -> str | None:
    """Say what kind of address this is, "loopback" for example; None for one of the public internet.

    An IPv6 address that carries an IPv4 one is judged by that where a public host can have it (NAT64), and refused
    where none has (IPv4-mapped, IPv4-compatible, 6to4, Teredo).
    """
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return why_not_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.scope_id or address not in _PUBLIC_6:
            return "not one of the public internet"
        return next((kind for network, kind in _NOT_PUBLIC_6.items() if address in network), None)
    return next((kind for network, kind in _NOT_PUBLIC_4.items() if address in network), None)


@dataclass(frozen=True)
class Allowed:
    """What may be fetched from although it is not public: networks, and hosts whatever their address."""

    networks: Sequence[Network] = ()
    hosts: frozenset[str] = frozenset()
    """In lower case, without a final dot."""

    @classmethod
    def parse(cls, names: Iterable[str]) -> Allowed:
        """Read "10.1.0.0/16", "::1" or "pictures.example".

        Raises:
            OptionError: neither an address, nor a network, nor a host.
        """
        networks: list[Network] = []
        hosts: set[str] = set()
        for name in names:
            try:
                networks.append(ip_network(name))
            except ValueError:
                if not is_host(name.lower()) or "/" in name:
                    raise OptionError(
                        f"{name!r} is no address, network or host: write 10.1.0.0/16 or pictures.example"
                    ) from None
                hosts.add(name.lower().rstrip("."))
        return cls(tuple(networks), frozenset(hosts))

    def refusal(self, host: str, address: str) -> str | None:
        """Say why a host must not be reached at an address that it resolved to; None where it may."""
        number = ip_address(address)
        if host.rstrip(".") in self.hosts or any(number in network for network in self.networks):
            return None
        return why_not_public(number)


def is_host(text: str) -> bool:
    """Whether a text in lower case is a host name in ASCII, at most 253 characters, that cannot be read as an address.

    A last label that begins with a digit is how an address in another spelling looks ("127.1", "0x7f000001",
    "2130706433"); resolvers read those, and no top-level domain begins so (RFC 3696, section 2).
    """
    if len(text) > 253 or not _HOST.fullmatch(text):
        return False
    return not text.rstrip(".").rpartition(".")[2][:1].isdigit()
