"""The masking proxy over real sockets: all that passes through it untouched, both ways."""

from __future__ import annotations

import gzip
import http.client
import json
import socket

import numpy as np
import pytest

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")

from fake_models import RedModel, red_at
from fake_upstream import chat, data_url, decoded, events
from ivm.inference.masker import Masker
from running_proxy import running_proxy

SCENE = red_at(20, 64)
URL = data_url(SCENE)


def masked(image=SCENE, threshold=0.5):
    return Masker(RedModel())(image, "the red cup", threshold)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_picture_arrives_masked_pixel_by_pixel(proxy, behind, count):
    images = [red_at(10 * number, 64) for number in range(1, count + 1)]
    answer = proxy.chat(chat("the red cup", *map(data_url, images)))
    assert answer.status == 200
    assert answer.header("X-IVM-Pictures") == ", ".join(["masked;found=0.90"] * count)
    received = behind.last.pictures()
    assert len(received) == count
    for image, got in zip(images, received, strict=True):
        np.testing.assert_array_equal(got, masked(image).highlight_image)


def test_all_but_the_picture_arrives_byte_for_byte(proxy, behind):
    body = (
        b'\n{ "temperature" : 1.0,"seed":12345678901234567890123, "top_p":1e-0,\t"model":"s\\u00e9er",'
        b'"messages":[ {"content":[{"text":"the \\u0072ed cup \xe2\x98\x95","type":"text"},{"image_url":\r\n'
        b'{"detail":"low","url":@},"type":"image_url"} ],"role":"user"}],"n":1,"n":1 } '
    )
    body = body.replace(b"@", json.dumps(URL).encode())
    assert proxy.chat(body).status == 200
    (place,) = [part["image_url"]["url"] for part in json.loads(behind.last.body)["messages"][0]["content"][1:]]
    assert behind.last.body == body.replace(URL.encode(), place.encode())
    np.testing.assert_array_equal(decoded(place), masked().highlight_image)


def test_headers_arrive_as_they_came_and_in_their_order(proxy, behind):
    headers = {
        "Authorization": "Bearer secret", "OpenAI-Organization": "us", "X-Custom": "a, b", "User-Agent": "mine/1",
        "Accept-Encoding": "gzip", "Accept": "*/*", "Cookie": "a=1",
    }  # fmt: skip
    body = json.dumps(chat("hello")).encode()
    hop_by_hop = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "Proxy-Authorization": "b"}
    proxy.ask("POST", "/v1/chat/completions?api-version=1%2F2", body, headers | hop_by_hop | {"X-IVM-Mode": "crop"})
    asked = behind.last
    assert asked.path == "/v1/chat/completions?api-version=1%2F2"
    assert asked.header("Host") == f"127.0.0.1:{behind.server_port}"
    assert asked.header("Content-Length") == str(len(body))
    rest = [(key.lower(), value) for key, value in asked.headers if key.lower() not in ("host", "content-length")]
    assert rest == [(key.lower(), value) for key, value in headers.items()]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("HEAD", "/v1/models", None),
        ("DELETE", "/v1/models/seer%2Fa?x=%20", None),
        ("POST", "/v1/embeddings", b"\x00\xff not JSON"),
        ("POST", "/v1/files", b"x" * 3_000_000),
        ("PUT", "/v1/chat/completions", b'{"image_url":1}'),
        ("POST", "/v1/completions", json.dumps(chat("the red cup", URL)).encode()),
        ("OPTIONS", "/v1/chat/completions", None),
    ],
)
def test_everything_else_passes_untouched(proxy, behind, method, path, body):
    answer = proxy.ask(method, path, body)
    assert answer.status == 200
    assert (behind.last.method, behind.last.path, behind.last.body) == (method, path, body or b"")
    assert answer.header("X-IVM-Pictures") is None


def test_a_body_without_a_length_passes_in_pieces(proxy, behind):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.request("POST", "/v1/audio", iter([b"abc", b"def"]), encode_chunked=True)
    assert connection.getresponse().status == 200
    assert behind.last.body == b"abcdef"
    connection.close()


@pytest.mark.parametrize("body", [b"not JSON", b'{"messages":[', b"\xff", b'{"messages":NaN', b"[" * 500 + b"]" * 500])
def test_what_is_no_chat_is_for_the_upstream_to_judge(proxy, behind, body):
    behind.replies["/v1/chat/completions"] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"
    answer = proxy.chat(body)
    assert (answer.status, answer.body, behind.last.body) == (400, b"no", body)


def test_text_alone_is_not_touched(proxy, behind):
    body = b'{"messages": [ {"role":"user","content":"the red cup"}]}'
    assert proxy.chat(body).header("X-IVM-Pictures") is None
    assert behind.last.body == body


def answer_of(status, *headers, body=b""):
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"])
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "raw",
    [
        answer_of("429 Too Many Requests", "Retry-After: 7", "X-RateLimit-Reset: 1s", body=b'{ "error": 1}'),
        answer_of("401 Unauthorized", "WWW-Authenticate: Bearer", "Content-Type: text/html", body=b"<p>"),
        answer_of("500 Oh"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        answer_of("307 Temporary Redirect", "Location: http://127.0.0.1:1/"),
        answer_of("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"abc", mtime=0)),
        answer_of("200 OK", "Server: them", "Date: then", "Set-Cookie: a=1", "Set-Cookie: b=2", body=b"x"),
    ],
)
def test_answers_come_back_as_they_are(proxy, behind, raw):
    behind.replies["/v1/chat/completions"] = raw
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    answer = proxy.chat(chat("hello"))
    assert answer.status == int(status.split()[1])
    assert answer.body == body
    assert [f"{key}: {value}" for key, value in answer.headers] == lines


def test_a_stream_comes_piece_by_piece(proxy, behind):
    """The first piece is here before the upstream has sent the second."""
    behind.hold.clear()
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("the red cup", URL, stream=True)))
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    assert answer.getheader("X-IVM-Pictures") == "masked;found=0.90"
    pieces = events(chat("", stream=True))
    assert answer.read(len(pieces[0])) == pieces[0]
    behind.hold.set()
    assert answer.read().replace(b":\n\n", b"") == b"".join(pieces[1:])
    connection.close()


def test_a_client_that_leaves_ends_the_upstreams_work(proxy, behind):
    behind.hold.clear()
    behind.left.clear()
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("hello", stream=True)))
    answer = connection.getresponse()
    answer.read(5)
    answer.close()
    connection.close()
    assert behind.left.wait(60)
    behind.hold.set()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_an_answer_that_breaks_off_does_not_look_whole(proxy, behind, raw):
    behind.replies["/v1/models"] = raw
    with pytest.raises(http.client.IncompleteRead):
        proxy.ask("GET", "/v1/models")


def test_an_upstream_that_is_not_there_is_a_502():
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with running_proxy(f"http://127.0.0.1:{port}/v1") as proxy:
        answer = proxy.chat(chat("hello"))
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
        assert proxy.ask("GET", "/ivm/healthz").status == 200
        assert proxy.ask("GET", "/ivm/readyz").status == 200


def test_an_upstream_that_says_nothing_is_a_504(behind):
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        running_proxy(f"http://127.0.0.1:{door.getsockname()[1]}/v1", upstream_seconds=0.3) as proxy,
    ):
        answer = proxy.ask("GET", "/v1/models")
        assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")


def test_an_upstream_that_speaks_no_http_is_a_502(proxy, behind):
    behind.replies["/v1/models"] = b"SSH-2.0-OpenSSH_9.6\r\n"
    assert proxy.ask("GET", "/v1/models").status == 502
