"""`ivm proxy` as a process of its own: how it starts, what it writes down, and how it stops."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")

from fake_upstream import chat, data_url, events, upstream
from ivm.inference.zoo import load

KEY = "sk-a-secret"


@pytest.fixture
def behind():
    with upstream() as server:
        yield server


def ask(port, request, **headers):
    """Send a chat request; the connection is to be closed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/v1/chat/completions?key=in-the-query", json.dumps(request), named)
    return connection, connection.getresponse()


def test_it_masks_with_the_options_it_was_started_with(start, behind, scene, toy_nano, capfd):
    proxy = start("--upstream", behind.url, "--mode", "crop", "--style", "blur", "--threshold", "0.4", command="proxy")
    connection, answer = ask(proxy.port, chat("the red square", data_url(scene)), Authorization=f"Bearer {KEY}")
    assert answer.status == 200
    assert answer.getheader("X-IVM-Pictures").startswith("masked;")
    assert answer.getheader("Date") is None or len(answer.headers.get_all("Date")) == 1
    assert json.loads(answer.read())["choices"][0]["message"]["content"] == "I see it."
    connection.close()
    (got,) = behind.last.pictures()
    np.testing.assert_array_equal(got, load(str(toy_nano))(scene, "the red square", 0.4).cropped_blur_img)
    assert behind.last.header("Authorization") == f"Bearer {KEY}"
    assert proxy.stop() == 0
    written = "".join(capfd.readouterr())
    assert "POST '/v1/chat/completions' 200" in written
    assert "pictures: masked" in written
    for secret in (KEY, "in-the-query", "red square", "base64"):
        assert secret not in written


def test_a_stream_that_was_accepted_comes_to_its_end_after_sigterm(start, behind, scene):
    behind.hold.clear()
    proxy = start("--upstream", behind.url, command="proxy")
    connection, answer = ask(proxy.port, chat("the red square", data_url(scene), stream=True))
    first = answer.read(10)
    ended: list[int] = []
    stopping = threading.Thread(target=lambda: ended.append(proxy.stop()))
    stopping.start()
    assert proxy.process.poll() is None
    behind.hold.set()
    rest = answer.read().replace(b":\n\n", b"")
    connection.close()
    assert first + rest == b"".join(events(chat("")))
    stopping.join()
    assert ended == [0]


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        ([], 2, "--upstream"),
        (["--upstream", "here"], 12, "no address of a server"),
        (["--upstream", "http://a.example", "--host", "203.0.113.7"], 90, "choose another"),
    ],
)
def test_a_mistake_gets_a_sentence(toy_nano, arguments, code, what):
    line = [sys.executable, "-m", "ivm", "proxy", "--model", str(toy_nano), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == code
    assert what in done.stderr
    assert "Traceback" not in done.stderr
