"""Who is kept out: strangers without a key, other sites, large and slow requests, made-up paths; over real sockets."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import select
import socket
import urllib.parse

import numpy as np
import pytest

from ivm.masking.saving import encoded
from serving_tools import TABLE, everything, in_process, multipart, serving

KEY = "k" * 32
PICTURE = encoded(np.full((8, 8, 3), 90, np.uint8), ".png")
POST = "POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
BODY = {"image": base64.b64encode(PICTURE).decode(), "instructions": "red", "outputs": "rle"}


@pytest.fixture(scope="module")
def locked(toy_nano, tmp_path_factory):
    """A server with keys and small limits."""
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    file.write_text(f"{KEY}\n")
    options = ("--api-keys", str(file), "--origin", "https://friend.example", "--max-megabytes", "1", "--page")
    with serving("--model", str(toy_nano), *options, IVM_API_KEYS="e" * 16) as server:
        yield server


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": KEY}, {"x_api_key": "\xe4"}]
)
def test_without_a_key_nothing_is_masked(locked, headers):
    for path, data in (("/v1/mask", b"{}"), ("/v1/sessions/x", None), ("/metrics", None)):
        reply = locked.ask(path, data, **headers)
        assert (reply.status, reply.type, reply.headers["WWW-Authenticate"]) == (401, "wrong_key", "Bearer")


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {KEY}"}, {"x_api_key": KEY}, {"x_api_key": "e" * 16}])
def test_with_a_key_it_is(locked, headers):
    assert locked.post("/v1/mask", BODY, **headers).status == 200


def test_health_and_the_page_need_no_key(locked):
    assert [locked.ask(path).status for path in ("/", "/page/page.js", "/healthz", "/readyz")] == [200] * 4


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(server, headers):
    kind, data = multipart([("image", PICTURE), ("instructions", "red")])
    for path in ("/v1/mask", "/v1/sessions"):
        reply = server.ask(path, data, content_type=kind, **headers)
        assert (reply.status, reply.type) == (403, "cross_site")
        assert "Access-Control-Allow-Origin" not in reply.headers


def test_the_own_page_and_an_allowed_site_are_not(server, locked):
    assert server.post("/v1/mask", BODY, origin=server.address, sec_fetch_site="same-origin").status == 200
    friend = {"origin": "https://friend.example", "sec_fetch_site": "cross-site"}
    reply = locked.post("/v1/mask", BODY, authorization=f"Bearer {KEY}", **friend)
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (200, "https://friend.example")
    wanted = {"access_control_request_method": "POST", "access_control_request_headers": "authorization,content-type"}
    assert locked.ask("/v1/mask", method="OPTIONS", **friend, **wanted).status == 200
    assert locked.ask("/v1/mask", method="OPTIONS", origin="https://evil.example", **wanted).status == 400


def test_a_name_that_was_rebound_to_loopback_is_refused(server):
    reply = server.ask("/healthz", host="evil.example")
    assert (reply.status, reply.type) == (421, "wrong_host")
    assert server.ask("/healthz", host=f"localhost:{server.port}").status == 200


TRICKS = [
    "/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page/%2e%2e%2fapp.py", "/page/..%5capp.py",
    "/page//etc/passwd", "/page/%2fetc%2fpasswd", "/page/....//app.py", "/page/page.js%00.png", "/page/.",
    "/page/..;/app.py", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/%c0%ae%c0%ae/app.py",
    "/v1/sessions/..%2f..%2fetc%2fpasswd", "/page/page.js/../../app.py",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_out_of_the_page(server, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status in (404, 400)
    assert b"root:" not in content
    assert b"import" not in content


def test_the_page_allows_no_foreign_script(server):
    headers = server.ask("/").headers
    assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_a_large_body_is_refused_by_its_announced_length_and_by_what_comes(locked):
    limit = (1 << 20) * 3 // 2
    head = f"{POST}Authorization: Bearer {KEY}\r\n"
    announced = everything(locked.port, f"{head}Content-Length: {limit + 1}\r\n\r\n".encode())
    assert b" 413 " in announced.splitlines()[0]
    assert b"has more than 1,572,864 bytes" in announced
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    streamed = everything(locked.port, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 25 + b"0\r\n\r\n")
    assert b" 413 " in streamed.splitlines()[0]


def test_a_large_picture_is_refused_in_a_form_too(locked):
    kind, data = multipart([("image", b"x" * ((1 << 20) + 1)), ("instructions", "red")])
    reply = locked.ask("/v1/mask", data, content_type=kind, authorization=f"Bearer {KEY}")
    assert (reply.status, reply.type) == (413, "ImageTooLargeError")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET + b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 431),
        (GET + b"X: y\r\n" * 10_000 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_what_is_not_proper_http_is_refused_with_a_reason(server, request_, status):
    answer = everything(server.port, request_)
    assert f" {status} ".encode() in answer.splitlines()[0]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_a_client_that_trickles_its_headers_is_let_go(toy_nano):
    with in_process(toy_nano, head_seconds=0.4) as port:
        assert everything(port, b"GET / HT") == b""


def test_a_client_that_trickles_its_body_is_told(toy_nano):
    with in_process(toy_nano, body_seconds=0.4) as port:
        late = everything(port, f"{POST}Content-Length: 99\r\n\r\n{{".encode())
    assert b" 408 " in late.splitlines()[0]
    assert b"did not come within 0.4 s" in late


def test_a_client_that_leaves_its_answers_unread_is_let_go(toy_nano):
    kind, data = multipart([("image", TABLE.read_bytes()), ("instructions", "red"), ("outputs", "heatmap")])
    head = f"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    with in_process(toy_nano, send_seconds=0.4) as port, socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.settimeout(60)
        unread.connect(("127.0.0.1", port))
        with contextlib.suppress(ConnectionError):  # it may end while we still ask: the answers fill all buffers
            unread.sendall((head.encode() + data) * 200)
        ended = select.poll()
        ended.register(unread, select.POLLERR | select.POLLHUP)
        assert ended.poll(60_000)


def test_a_query_is_no_way_around_the_lock(locked):
    secret = urllib.parse.quote(KEY)
    assert locked.ask(f"/v1/sessions/x?api_key={secret}").status == 401
    assert locked.ask("/page/../v1/sessions/x").status in (401, 404)
