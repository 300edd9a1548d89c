from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ivm.core.checkup import check_hub, check_machine, check_python


class Answering(BaseHTTPRequestHandler):
    """A hub that is there, though it knows no such page."""

    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub():
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def test_a_hub_that_answers_is_reached(hub, monkeypatch, cache):
    monkeypatch.setenv("HF_ENDPOINT", hub)
    check = check_hub(online=True)
    assert (check.state, check.details["reached"]) == ("works", True)
    assert str(cache) in check.told


def test_a_hub_that_does_not_answer_is_missing(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    check = check_hub(online=True)
    assert check.state == "missing"
    assert check.remedy is not None
    assert f"127.0.0.1:{port} does not answer" in check.told


@pytest.mark.parametrize("address", ["file:///etc/hostname", "huggingface.co", "http://[", "http://"])
def test_an_address_that_is_none_is_told(monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert check_hub(online=True).state == "missing"


def test_nothing_is_asked_unless_it_is_wished(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert check_hub().details["reached"] is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check = check_hub(online=True)
    assert (check.state, check.details["reached"]) == ("works", None)
    assert "HF_HUB_OFFLINE is set" in check.told


def test_this_machine_can_run_the_tests():
    assert check_python().state == "works"
    assert check_machine().details["threads"] >= 1
