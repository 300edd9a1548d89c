"""Tricks by which a stranger makes a server fetch what only the server may reach; each is refused without a connection.

Some of these addresses are of documentation, private or cloud networks; nothing here leaves this machine.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")

from ivm.core.errors import ImageAddressError
from ivm.serving.fetching import FetchLimits, PictureFetcher
from ivm.serving.fetching_address import Allowed, is_host, why_not_public
from ivm.serving.fetching_url import parse_url

TRICKS = {
    "loopback": "http://127.0.0.1:{port}/",
    "all of 127/8 is loopback": "http://127.8.9.10:{port}/",
    "a name of loopback": "http://localhost:{port}/",
    "with a final dot": "http://localhost.:{port}/",
    "in capitals": "HTTP://LOCALHOST:{port}/",
    "the address of nothing": "http://0.0.0.0:{port}/",
    "IPv6 loopback": "http://[::1]:{port}/",
    "IPv6 nothing": "http://[::]:{port}/",
    "IPv4-mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "IPv4-mapped in hex": "http://[::ffff:7f00:1]:{port}/",
    "IPv4-compatible": "http://[::127.0.0.1]:{port}/",
    "NAT64": "http://[64:ff9b::127.0.0.1]:{port}/",
    "NAT64 of a network's own": "http://[64:ff9b:1::7f00:1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "Teredo": "http://[2001:0:7f00:1::]:{port}/",
    "a decimal number": "http://2130706433:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "octal as one number": "http://017700000001:{port}/",
    "hex": "http://0x7f000001:{port}/",
    "hex in parts": "http://0x7f.0x0.0x0.0x1:{port}/",
    "a short form": "http://127.1:{port}/",
    "leading zeros": "http://127.000.000.001:{port}/",
    "an address with a final dot": "http://127.0.0.1.:{port}/",
    "percent-encoded": "http://%31%32%37.0.0.1:{port}/",
    "full-width digits": "http://１２７.0.0.1:{port}/",
    "circled letters": "http://ⓛocalhost:{port}/",
    "an ideographic full stop": "http://127。0。0。1:{port}/",
    "private 10/8": "http://10.0.0.1:{port}/",
    "private 172.16/12": "http://172.31.255.254:{port}/",
    "private 192.168/16": "http://192.168.0.1:{port}/",
    "link-local, a cloud's metadata": "http://169.254.169.254/latest/meta-data/",
    "IPv6 link-local": "http://[fe80::1]:{port}/",
    "with a zone": "http://[fe80::1%25lo]:{port}/",
    "IPv6 site-local": "http://[fec0::1]:{port}/",
    "IPv6 private, a cloud's metadata": "http://[fd00:ec2::254]/",
    "carriers' NAT, a cloud's metadata": "http://100.100.100.200/",
    "Azure's host agent": "http://168.63.129.16/",
    "multicast": "http://224.0.0.1:{port}/",
    "IPv6 multicast": "http://[ff02::1]:{port}/",
    "broadcast": "http://255.255.255.255:{port}/",
    "reserved": "http://240.0.0.1:{port}/",
    "documentation": "http://192.0.2.1:{port}/",
    "benchmarks": "http://198.18.0.1:{port}/",
    "IPv6 documentation": "http://[2001:db8::1]:{port}/",
    "a name that leads to loopback": "http://loopback.example:{port}/",
    "a name that leads to IPv6 loopback": "http://loopback6.example:{port}/",
    "a name that leads to a mapped address": "http://mapped.example:{port}/",
    "a name that leads to a private one among public ones": "http://mixed.example:{port}/",
    "a name that leads to a zone": "http://zone.example:{port}/",
    "a user that looks like a host": "http://pictures.example@127.0.0.1:{port}/",
    "a host that looks like a user": "http://127.0.0.1:{port}@pictures.example/",
    "a password": "http://user:password@pictures.example/",
    "a backslash": "http://pictures.example\\@127.0.0.1:{port}/",
    "a fragment before the host ends": "http://127.0.0.1:{port}#@pictures.example/",
    "white space in front": " http://127.0.0.1:{port}/",
    "a tab inside": "http://127.0.0\t.1:{port}/",
    "a line break into the request": "http://pictures.example/\r\nHost: localhost",
    "a NUL": "http://127.0.0.1\x00.pictures.example:{port}/",
    "no scheme": "//127.0.0.1:{port}/",
    "one slash": "http:/127.0.0.1:{port}/",
    "three slashes": "http:///127.0.0.1:{port}/",
    "a file": "file:///etc/passwd",
    "a path": "/etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_GET",
    "ftp": "ftp://127.0.0.1:{port}/",
    "dict": "dict://127.0.0.1:{port}/",
    "javascript": "javascript:alert(1)",
    "blob": "blob:http://127.0.0.1:{port}/a",
    "jar": "jar:http://127.0.0.1:{port}!/",
    "the mail port": "http://pictures.example:25/",
    "port zero": "http://pictures.example:0/",
    "a port too high": "http://pictures.example:65536/",
    "an empty host": "http://:{port}/",
    "nothing": "",
}
NAMES = {
    "localhost": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "mixed.example": ["93.184.216.34", "192.168.1.1"],
    "zone.example": ["fe80::1%lo"],
    "pictures.example": ["93.184.216.34"],
}


@pytest.mark.anyio
@pytest.mark.parametrize("url", TRICKS.values(), ids=TRICKS)
async def test_a_trick_is_refused_and_nothing_is_asked(url):
    reached: list[bool] = []

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(True)
        writer.close()

    async def resolve(host: str, port: int) -> list[str]:
        return NAMES[host.rstrip(".")]

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ImageAddressError):
            await PictureFetcher(FetchLimits(seconds=60), resolve=resolve).fetch(url.format(port=port))
    assert reached == []


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255",
     "2606:4700::1111", "2a00:1450:4001::200e", "64:ff9b::8.8.8.8"],
)  # fmt: skip
def test_public_addresses_are_public(address):
    assert why_not_public(ip_address(address)) is None


@given(st.ip_addresses())
def test_what_the_standard_library_calls_not_global_is_refused(address):
    if not address.is_global or address.is_multicast:
        embedded = address.version == 6 and int(address) >> 32 == 0x64FF9B << 64
        assert embedded or why_not_public(address) is not None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_inside_an_ipv6_one_that_would_not_alone(address):
    alone = why_not_public(address)
    for inside in (f"::ffff:{address}", f"::{address}", f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::"):
        assert why_not_public(ip_address(inside)) is not None
    assert why_not_public(ip_address(f"64:ff9b::{address}")) == alone


@given(st.text(alphabet="0123456789abcdefx.-_", max_size=20))
def test_a_host_is_never_what_a_resolver_reads_as_a_number(text):
    import socket

    if is_host(text):
        with pytest.raises(OSError, match="illegal IP address"):
            socket.inet_aton(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text):
    for url in (text, f"http://{text}", f"http://pictures.example/{text}"):
        try:
            target = parse_url(url)
        except ImageAddressError:
            continue
        assert target.scheme in ("http", "https")
        assert target.path.startswith("/")
        assert parse_url(target.url) == target


def test_an_allowed_network_opens_no_other_spelling():
    allowed = Allowed.parse(["127.0.0.0/8"])
    assert allowed.refusal("127.0.0.1", "127.0.0.1") is None
    assert allowed.refusal("::ffff:127.0.0.1", "::ffff:127.0.0.1") is not None
    assert allowed.refusal("10.0.0.1", "10.0.0.1") == "private"
