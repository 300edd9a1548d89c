"""Pictures from the web: what is fetched, from where, and within which limits. All servers are on this machine."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("cryptography", reason="certificates of tests")
pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")


from fake_web import certificate, web
from ivm.core.errors import ImageAddressError, ImageDownloadError, ImageFormatError, ImageTooLargeError, OptionError
from ivm.serving.fetching import FetchLimits, PictureFetcher
from ivm.serving.fetching_address import Allowed

pytestmark = pytest.mark.anyio
HERE = Allowed.parse(["127.0.0.1"])


def fetcher(allowed: Allowed = HERE, resolve=None, tls=None, **limits) -> PictureFetcher:
    given = {} if resolve is None else {"resolve": resolve}
    return PictureFetcher(FetchLimits(allowed=allowed, **({"seconds": 60.0} | limits)), tls=tls, **given)


def names(**hosts: list[list[str]]):
    """A resolver that gives each name its next list of addresses at every call, the last one for good."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        answers = hosts[host.replace(".", "_")]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    resolve.asked = asked
    return resolve


async def test_a_picture_comes_as_it_is_and_nothing_personal_is_sent():
    async with web() as site:
        site.put("/a%20b.png?size=1", b"\x89PNG\r\n")
        assert await fetcher().fetch(site.url("/a%20b.png?size=1#part")) == b"\x89PNG\r\n"
        (head,) = site.heads
        assert head.splitlines()[0] == "GET /a%20b.png?size=1 HTTP/1.1"
        sent = {line.partition(":")[0].lower() for line in head.splitlines()[1:] if line}
        assert sent == {"host", "user-agent", "accept", "accept-encoding", "connection"}


async def test_a_data_url_is_decoded():
    assert await fetcher().fetch("data:image/png;base64,iVBO") == b"\x89PN"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("data:image/png;base64,iVB", ImageFormatError),  # no padding
        ("data:image/png;base64,iVBO\n", ImageFormatError),
        ("data:image/png,abc", ImageFormatError),
        ("data:text/html;base64,iVBO", ImageFormatError),
        ("data:image/png", ImageFormatError),
        ("data:image/png;base64," + "A" * 2000, ImageTooLargeError),
    ],
)
async def test_a_bad_data_url_is_named(url, error):
    with pytest.raises(error):
        await fetcher(max_bytes=1000).fetch(url)


async def test_redirects_are_followed_relative_ones_too():
    async with web() as site:
        site.put("/one", b"", "302 Found", "Location: /two\r\n")
        site.put("/two", b"", "308 Permanent Redirect", f"Location: {site.url('/three')}\r\n")
        site.put("/three", b"picture")
        assert await fetcher().fetch(site.url("/one")) == b"picture"


async def test_a_circle_of_redirects_ends():
    async with web() as site:
        site.put("/one", b"", "302 Found", "Location: /one\r\n")
        with pytest.raises(ImageDownloadError, match="more than 5 redirects"):
            await fetcher().fetch(site.url("/one"))
        assert len(site.heads) == 6


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2:80/", "http://[::1]/", "http://inside.example/", "file:///etc/passwd", "gopher://127.0.0.1:1/"],
)
async def test_a_redirect_leads_nowhere_that_a_first_address_may_not(location):
    async with web() as site:
        site.put("/one", b"", "302 Found", f"Location: {location}\r\n")
        with pytest.raises(ImageAddressError):
            await fetcher(resolve=names(inside_example=[["10.0.0.1"]])).fetch(site.url("/one"))


async def test_the_connection_goes_to_the_address_that_was_judged():
    """A name that gives a public address first and a loopback one a moment later (DNS rebinding) gains nothing."""
    changing = names(pictures_example=[["127.0.0.1"], ["127.0.0.2"]])
    async with web() as site:
        site.put("/a.png", b"picture")
        assert await fetcher(resolve=changing).fetch(site.url("/a.png", "pictures.example")) == b"picture"
        assert changing.asked == ["pictures.example"]
        assert f"Host: pictures.example:{site.port}" in site.heads[0]
        with pytest.raises(ImageAddressError):
            await fetcher(resolve=changing).fetch(site.url("/a.png", "pictures.example"))
        assert len(site.heads) == 1


async def test_each_hop_is_looked_up_and_judged_anew():
    changing = names(pictures_example=[["127.0.0.1"], ["127.0.0.2"]])
    async with web() as site:
        site.put("/one", b"", "302 Found", "Location: /two\r\n")
        site.put("/two", b"picture")
        with pytest.raises(ImageAddressError):
            await fetcher(resolve=changing).fetch(site.url("/one", "pictures.example"))
        assert len(site.heads) == 1


async def test_one_bad_address_of_a_name_is_enough():
    async with web() as site:
        site.put("/a.png", b"picture")
        both = names(pictures_example=[["127.0.0.1", "10.0.0.1"]])
        with pytest.raises(ImageAddressError, match="not on the public internet"):
            await fetcher(resolve=both).fetch(site.url("/a.png", "pictures.example"))
        assert site.heads == []


async def test_an_allowed_host_may_have_any_address():
    async with web() as site:
        site.put("/a.png", b"picture")
        inside = names(pictures_example=[["127.0.0.1"]])
        allowed = Allowed.parse(["Pictures.Example"])
        assert await fetcher(allowed, inside).fetch(site.url("/a.png", "pictures.example")) == b"picture"
        with pytest.raises(ImageAddressError):
            await fetcher(allowed, inside).fetch(site.url("/a.png"))


async def test_a_second_address_is_tried_where_the_first_does_not_answer():
    async with web() as site:
        site.put("/a.png", b"picture")
        two = names(pictures_example=[["127.0.0.9", "127.0.0.1"]])
        allowed = Allowed.parse(["127.0.0.0/8"])
        assert await fetcher(allowed, two).fetch(site.url("/a.png", "pictures.example")) == b"picture"


async def test_tls_is_made_with_the_name_and_checked(tmp_path):
    server, client = certificate("pictures.example", tmp_path)
    seen: list[str | None] = []
    server.sni_callback = lambda socket, name, context: seen.append(name)
    there = names(pictures_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    async with web(server) as site:
        site.put("/a.png", b"picture")
        url = f"https://pictures.example:{site.port}/a.png"
        assert await fetcher(resolve=there, tls=client).fetch(url) == b"picture"
        assert seen == ["pictures.example"]
        with pytest.raises(ImageDownloadError):
            await fetcher(resolve=there, tls=client).fetch(url.replace("pictures", "other"))
        with pytest.raises(ImageDownloadError):  # the system trusts nobody who signed this
            await fetcher(resolve=there).fetch(url)
        assert len(site.heads) == 1


@pytest.mark.parametrize("path", ["/large", "/endless"])
async def test_more_bytes_than_allowed_are_not_read(path):
    async with web() as site:
        site.put("/large", b"x" * 1001)
        site.put("/fits", b"x" * 1000)
        with pytest.raises(ImageTooLargeError, match="larger than 1,000 bytes"):
            await fetcher(max_bytes=1000).fetch(site.url(path))
        assert len(await fetcher(max_bytes=1000).fetch(site.url("/fits"))) == 1000


@pytest.mark.parametrize("path", ["/silent", "/drip"])
async def test_a_slow_server_is_left(path):
    async with web() as site:
        with pytest.raises(ImageDownloadError, match=r"within 0\.5 seconds"):
            await fetcher(seconds=0.5).fetch(site.url(path))


async def test_a_slow_look_up_is_left():
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(ImageDownloadError, match=r"within 0\.2 seconds"):
        await fetcher(resolve=never, seconds=0.2).fetch("http://pictures.example/")


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecret", "status 404"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "could not be fetched"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "could not be fetched"),
        (b"", "could not be fetched"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n", "could not be fetched"),
    ],
)
async def test_an_answer_that_is_no_picture_is_named_without_its_text(answer, what):
    async with web() as site:
        site.answers["/a?key=abc"] = answer
        with pytest.raises(ImageDownloadError, match=what) as caught:
            await fetcher().fetch(site.url("/a?key=abc"))
        assert "secret" not in str(caught.value)
        assert "abc" not in str(caught.value)


async def test_nobody_listens():
    async with web() as site:
        port = site.port
    with pytest.raises(ImageDownloadError, match="ConnectError"):
        await fetcher().fetch(f"http://127.0.0.1:{port}/")


async def test_there_is_no_such_host():
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(ImageDownloadError, match="no host of this name"):
        await fetcher(resolve=nobody).fetch("http://nobody.example/")


async def test_fetching_can_be_off():
    with pytest.raises(ImageAddressError, match="data URLs"):
        await fetcher(remote=False).fetch("https://pictures.example/a.png")
    assert await fetcher(remote=False).fetch("data:image/png;base64,iVBO") == b"\x89PN"


@pytest.mark.parametrize("name", ["10.0.0.1/8", "pictures.example/a", "http://pictures.example", "127.1", ""])
def test_what_is_allowed_must_be_an_address_a_network_or_a_host(name):
    with pytest.raises(OptionError, match="no address, network or host"):
        Allowed.parse([name])


@pytest.mark.parametrize("limits", [{"max_bytes": 0}, {"seconds": 0}, {"seconds": float("nan")}, {"redirects": -1}])
def test_limits_are_checked(limits):
    with pytest.raises(OptionError):
        FetchLimits(**limits)
