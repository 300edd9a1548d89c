"""What the proxy refuses, what it bounds, and where it sends requests."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading

import pytest

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")

from fake_models import RedModel, red_at
from fake_upstream import chat, data_url
from ivm.core.errors import OptionError
from ivm.serving.proxy import ProxySettings
from ivm.serving.proxy_options import MaskOptions
from ivm.serving.proxy_upstream import Upstream
from ivm.serving.settings import EngineSettings, HttpSettings
from running_proxy import running_proxy

SCENE = red_at(20, 64)
URL = data_url(SCENE)


@pytest.fixture(scope="module")
def small(behind):
    with running_proxy(
        behind.url,
        engine=EngineSettings(max_pixels=1_000_000),
        http=HttpSettings(max_body=2_000_000),
    ) as running:
        yield running


def test_a_body_too_large_is_refused_before_it_came(small, behind):
    behind.asked.clear()
    answer = small.chat(b" " * 2_000_001)
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    connection = http.client.HTTPConnection("127.0.0.1", small.port, timeout=60)
    connection.request("POST", "/v1/chat/completions", iter([b" " * 1_000_000] * 3), encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert behind.asked == []


def test_a_body_that_does_not_come_is_given_up(behind):
    with (
        running_proxy(behind.url, http=HttpSettings(body_seconds=0.2)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client,
    ):
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{")
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_compressed_request_is_refused_unless_it_shall_not_be_masked(proxy, behind):
    body = gzip.compress(json.dumps(chat("hello", URL)).encode())
    answer = proxy.chat(body, Content_Encoding="gzip")
    assert (answer.status, answer.error["code"]) == (415, "compressed")
    behind.replies["/v1/chat/completions"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert proxy.chat(body, Content_Encoding="gzip", X_IVM_Mask="off").status == 200
    assert behind.last.body == body


@pytest.mark.parametrize(
    "path", ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/./a", "/..", "/v1/..%2fadmin", "/v1/..%5cadmin"]
)
def test_a_path_does_not_climb_out_of_the_upstream(proxy, behind, path):
    answer = proxy.ask("GET", path)
    assert (answer.status, answer.error["code"]) == (400, "bad_path")
    assert behind.asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://friend.example"}, 200),
        ({"Host": "localhost:9"}, 200),
    ],
)
def test_pages_of_other_sites_are_refused(behind, headers, status):
    http_settings = HttpSettings(origins=("https://friend.example",), hosts=("127.0.0.1", "localhost"))
    with running_proxy(behind.url, http=http_settings) as proxy:
        assert proxy.chat(chat("hello"), **headers).status == status


class Waits(RedModel):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for = threading.Event()
        self.go = threading.Event()

    def predict(self, features, instructions):
        if instructions != ["the cup"]:  # with which the engine warms it up
            self.asked_for.set()
            assert self.go.wait(60)
        return super().predict(features, instructions)


def test_more_than_it_can_mask_is_told_to_come_again_while_text_passes(behind):
    model = Waits()
    with running_proxy(behind.url, model, engine=EngineSettings(max_requests=1, timeout=300)) as proxy:
        first: list[int] = []
        thread = threading.Thread(target=lambda: first.append(proxy.chat(chat("the red cup", URL)).status))
        thread.start()
        assert model.asked_for.wait(60)
        answer = proxy.chat(chat("the red cup", URL))
        assert (answer.status, answer.error["type"]) == (429, "rate_limit_error")
        assert int(answer.header("Retry-After")) >= 1
        assert proxy.chat(chat("hello")).status == 200
        model.go.set()
        thread.join()
        assert first == [200]


def test_masking_that_takes_too_long_is_a_504(behind):
    model = Waits()
    with running_proxy(behind.url, model, engine=EngineSettings(timeout=0.3)) as proxy:
        answer = proxy.chat(chat("the red cup", URL))
        model.go.set()
        assert (answer.status, answer.error["code"]) == (504, "DeadlineError")


@pytest.mark.parametrize(
    ("url", "path", "target"),
    [
        ("http://a.example", "/v1/models", b"/v1/models"),
        ("http://a.example/", "/v1/models", b"/v1/models"),
        ("http://a.example/v1", "/v1/models", b"/v1/models"),
        ("http://a.example/v1/", "/v1/models", b"/v1/models"),
        ("http://a.example/v1", "/v1", b"/v1"),
        ("http://a.example/v1", "/models", b"/v1/models"),
        ("http://a.example/openai/deployments/x", "/chat/completions", b"/openai/deployments/x/chat/completions"),
        ("http://a.example/api/v1", "/v1/v1/models", b"/api/v1/v1/models"),
    ],
)
def test_where_requests_go(url, path, target):
    assert Upstream(url).target({"raw_path": path.encode(), "query_string": b""}) == target
    assert Upstream(url).target({"raw_path": path.encode(), "query_string": b"a=%2F"}) == target + b"?a=%2F"


@pytest.mark.parametrize(
    "url", ["", "a.example", "ftp://a.example", "http://", "http://a.example:port", "http://u:p@a.example", "http://a.example?x",
            "http://a.example/#x", "http://a .example", "http://ä.example", "http://a.example:99999"],
)  # fmt: skip
def test_an_upstream_must_be_an_address(url):
    with pytest.raises(OptionError, match="no address of a server"):
        Upstream(url)


def test_settings_are_checked():
    with pytest.raises(OptionError):
        MaskOptions(mode="zoom")
    with pytest.raises(OptionError):
        MaskOptions(more={"fill": 1})
    with pytest.raises(OptionError):
        Upstream("http://a.example", seconds=0)
    assert ProxySettings(upstream="http://a.example").options == MaskOptions()
