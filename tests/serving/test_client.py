"""The Python client and the lines of the docs, against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from ivm.core.errors import EngineBusyError, ImageNotFoundError, InputError, ServingError, SessionGoneError
from ivm.inference.zoo import load
from ivm.serving.client import Client
from serving_tools import TABLE, serving

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def client(server) -> Client:
    return Client(server.address + "/")


@pytest.mark.parametrize("form", ["path", "bytes", "array"])
def test_masks_are_the_librarys(client, toy_nano, form):
    expected = load(toy_nano)(TABLE, "red", threshold=0.4)
    image = {"path": TABLE, "bytes": TABLE.read_bytes(), "array": expected.image}[form]
    (answer,) = client.mask(image, "red", threshold=0.4, outputs=["highlight", "alpha", "soft", "rle"])
    assert answer.bbox == list(expected.bbox)
    assert answer.found == pytest.approx(expected.found)
    assert np.array_equal(answer.mask, expected.binary)
    assert np.array_equal(answer.pictures["highlight"], expected.highlight_image)
    assert np.array_equal(answer.pictures["alpha"], expected.alpha_image)
    assert answer.file("soft").startswith(b"\x89PNG")


def test_a_kept_picture(client, server):
    with client.open(TABLE) as picture:
        assert (picture.width, picture.height) == (640, 480)
        asked = server.metric("ivm_questions_total")
        red, blue = picture(["red", "blue"], outputs="rle")
        (again,) = picture("red", threshold=0.3)
        assert server.metric("ivm_questions_total") == asked + 2
        assert (red.instruction, blue.instruction, again.threshold) == ("red", "blue", 0.3)
    with pytest.raises(SessionGoneError):
        picture("red")


def test_mistakes_are_told(client, tmp_path):
    with pytest.raises(InputError, match="not a picture"):
        client.mask(b"this is no picture", "red")
    with pytest.raises(InputError, match="threshold"):
        client.mask(TABLE, "red", threshold=3)
    with pytest.raises(ImageNotFoundError, match="check the path"):
        client.mask(tmp_path / "none.png", "red")
    with pytest.raises(ServingError, match="is the server running"):
        Client("http://127.0.0.1:9").mask(TABLE, "red")
    assert client.ready()
    assert not Client("http://127.0.0.1:9").ready()
    (answer,) = client.mask(TABLE, "red")
    with pytest.raises(AttributeError, match="no 'boxes'"):
        _ = answer.boxes


def test_a_key(start):
    server = start(IVM_API_KEYS="k" * 16)
    assert len(Client(server.address, "k" * 16).mask(TABLE, "red")) == 1
    with pytest.raises(ServingError, match="asks for an API key"):
        Client(server.address).mask(TABLE, "red")


class Busy(BaseHTTPRequestHandler):
    """Refuses all but every third request."""

    count = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Busy.count += 1
        busy = Busy.count % 3 != 0
        told = {"error": {"type": "EngineBusyError", "message": "busy"}} if busy else {"model": "m", "results": []}
        body = json.dumps(told).encode()
        self.send_response(429 if busy else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def test_a_busy_server_is_asked_again_and_not_for_ever():
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            assert Client(address, retries=2).mask(TABLE, "red") == []
            assert Busy.count == 3
            with pytest.raises(EngineBusyError, match="busy"):
                Client(address, retries=1).mask(TABLE, "red")
            assert Busy.count == 5
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def real():
    """`ivm serve` with the model that ships, for the lines of the docs."""
    with serving() as server:
        yield server


def test_curl_lines_of_the_docs(real, tmp_path):
    lines = "".join(blocks("sh")).replace("http://localhost:8000", real.address)
    assert lines.count("curl") >= 10
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    script = lines.replace("curl -sS", "curl -sS --fail-with-body")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "cup.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "both.zip").read_bytes().startswith(b"PK")
    assert (tmp_path / "cup.webp").read_bytes().startswith(b"RIFF")
    assert b'"target_bbox"' in done.stdout


def test_python_lines_of_the_docs(real, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in blocks("python"):
        code = block.replace("http://localhost:8000", real.address)
        subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True, timeout=60)


def test_the_client_needs_no_server_packages(server):
    loaded = "import sys, ivm.serving.client; assert not {'fastapi', 'uvicorn', 'starlette'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True, timeout=60)
    assert urllib.request.urlopen(server.address + "/healthz", timeout=60).status == 200


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", DOCS) + re.findall(r'src="([^"]+)"', DOCS))
def test_links_lead_somewhere(link):
    assert link.startswith("http") or (ROOT / "docs" / link).exists()
