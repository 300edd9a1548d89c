"""A server that speaks the OpenAI protocol with scripted answers and mishaps: real HTTP, in a thread or a process.

In a test: `with running(FakeLmm(answer)) as lmm: LmmClient(lmm.base_url, "fake")`, where `answer` takes an `Asked`
and returns a text, a `Reply` or a mishap. In a process of its own: `with process("module:function") as base_url:`.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

TOKENS_A_PICTURE = 100
MODEL = "fake"


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    number: int
    """0 for the server's first."""
    body: dict[str, Any]
    headers: dict[str, str]
    """By lower-case name."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.body["messages"]

    @property
    def system(self) -> str:
        return "\n".join(_text(message) for message in self.messages if message["role"] == "system")

    @property
    def text(self) -> str:
        """All texts of the user, joined."""
        return "\n".join(_text(message) for message in self.messages if message["role"] == "user")

    @property
    def last(self) -> str:
        """Text of the last message."""
        return _text(self.messages[-1])

    @property
    def images(self) -> list[NDArray[np.uint8]]:
        """Pixels of the pictures sent, (H, W, 3) uint8 RGB."""
        urls = [part["image_url"]["url"] for part in self._parts() if part["type"] == "image_url"]
        return [pixels_of(url) for url in urls]

    @property
    def schema(self) -> dict[str, Any] | None:
        return self.body.get("response_format", {}).get("json_schema", {}).get("schema")

    def _parts(self) -> Iterator[dict[str, Any]]:
        for message in self.messages:
            if isinstance(message["content"], list):
                yield from message["content"]


@dataclass(frozen=True)
class Reply:
    """A good answer with all that one can have."""

    text: str | None
    finish_reason: str = "stop"
    refusal: str | None = None
    tokens: tuple[tuple[str, float, Mapping[str, float]], ...] = ()
    """Log-probabilities: token, its own, and those of the likeliest; sent where the request asks for them."""
    usage: tuple[int, int] | None = None
    """Tokens of prompt and completion; else counted in words, and so many a picture."""
    counted: bool = True
    """Whether the answer tells its usage."""


@dataclass(frozen=True)
class Status:
    """An error status."""

    code: int
    retry_after: float | str | None = None
    message: str = "not now"
    kind: str = "server_error"


@dataclass(frozen=True)
class Body:
    """Status 200 with any bytes."""

    data: bytes


@dataclass(frozen=True)
class Hang:
    """No answer until the server is closed or the client goes."""


@dataclass(frozen=True)
class Drop:
    """The connection breaks after some bytes of the answer."""

    after: int = 0


Act: TypeAlias = str | Reply | Status | Body | Hang | Drop
Script: TypeAlias = Callable[[Asked], Act]


@dataclass
class Mishaps:
    """Puts mishaps in place of the answers to requests of some numbers."""

    script: Script
    at: Mapping[int, Act]

    def __call__(self, asked: Asked) -> Act:
        return self.at[asked.number] if asked.number in self.at else self.script(asked)


class FakeLmm(ThreadingHTTPServer):
    """The server; `asked` lists what it was asked, `most_at_once` how many requests it held at one time."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, *, key: str | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script, self.key = script, key
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self.closing = threading.Event()
        self._now = 0
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @contextmanager
    def held(self, body: dict[str, Any], headers: dict[str, str]) -> Iterator[Asked]:
        """Number a request and count it while it is held."""
        with self._lock:
            asked = Asked(len(self.asked), body, headers)
            self.asked.append(asked)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield asked
        finally:
            with self._lock:
                self._now -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error; anything else is one of the test's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running(lmm: FakeLmm) -> Iterator[FakeLmm]:
    """Serve in a thread."""
    thread = threading.Thread(target=lmm.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield lmm
    finally:
        lmm.closing.set()
        lmm.shutdown()
        thread.join()
        lmm.server_close()


@contextmanager
def process(script: str, *, log: Path | None = None, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve in a process of its own; gives its base URL.

    Args:
        script: "module:name" of a script, or of a function without arguments' result, on the tests' path.
        log: a file that gets one line of JSON a request: number, texts, status of the key.
        environment: more variables, which the script may read.
    """
    line = [sys.executable, __file__, script, *([str(log)] if log else [])]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    child = subprocess.Popen(
        line, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path, **(environment or {})}
    )
    assert child.stdout is not None
    try:
        base_url = child.stdout.readline().strip()
        assert base_url.startswith("http"), "the server starts"
        yield base_url
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeLmm

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        else:
            self._send(404, _error("no such path"))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/chat/completions":
            self._send(404, _error("no such path"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if self.server.key is not None and key != self.server.key:
            # Some servers quote the key that they do not know.
            self._send(401, _error(f"Incorrect API key provided: {key}"))
            return
        with self.server.held(json.loads(data), headers) as asked:
            self._act(asked, self.server.script(asked))

    def _act(self, asked: Asked, act: Act) -> None:
        match act:
            case str(text):
                self._send(200, _completion(asked, Reply(text)))
            case Reply():
                self._send(200, _completion(asked, act))
            case Status():
                wait = {} if act.retry_after is None else {"Retry-After": str(act.retry_after)}
                self._send(act.code, _error(act.message, act.kind), wait)
            case Body():
                self._send_bytes(200, act.data, {})
            case Hang():
                self.server.closing.wait()
                self.close_connection = True
            case Drop():
                self._send_bytes(200, json.dumps(_completion(asked, Reply("dropped"))).encode(), {}, act.after)
                self.close_connection = True

    def _send(self, status: int, told: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(told).encode(), headers or {})

    def _send_bytes(self, status: int, data: bytes, headers: Mapping[str, str], stop: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:stop])


def _completion(asked: Asked, reply: Reply) -> dict[str, Any]:
    words = sum(len(_text(message).split()) for message in asked.messages)
    prompt, completion = reply.usage or (
        words + TOKENS_A_PICTURE * len(asked.images),
        len((reply.text or reply.refusal or "").split()),
    )
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": reply.text, "refusal": reply.refusal},
        "finish_reason": reply.finish_reason,
        "logprobs": None,
    }
    if asked.body.get("logprobs"):
        choice["logprobs"] = {"content": [_token(*token) for token in reply.tokens]}
    told = {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.body["model"],
        "choices": [choice],
    }
    return told | {"usage": usage} if reply.counted else told


def _token(token: str, logprob: float, top: Mapping[str, float]) -> dict[str, Any]:
    return {
        "token": token,
        "logprob": logprob,
        "bytes": list(token.encode()),
        "top_logprobs": [{"token": name, "logprob": value, "bytes": None} for name, value in top.items()],
    }


def _error(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def pixels_of(url: str) -> NDArray[np.uint8]:
    """The picture in a data URL, (H, W, 3) uint8 RGB."""
    data = base64.b64decode(url.partition(";base64,")[2])
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None, "the picture can be decoded"
    return np.asarray(pixels, np.uint8)


@dataclass
class _Logged:
    script: Script
    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, asked: Asked) -> Act:
        row = {"number": asked.number, "text": asked.text, "system": asked.system, "images": len(asked.images)}
        with self.lock, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return self.script(asked)


def _main(arguments: list[str]) -> None:
    module, _, name = arguments[0].partition(":")
    script = getattr(importlib.import_module(module), name)
    lmm = FakeLmm(_Logged(script, Path(arguments[1])) if len(arguments) > 1 else script)
    print(lmm.base_url, flush=True)
    lmm.serve_forever()


if __name__ == "__main__":
    _main(sys.argv[1:])
