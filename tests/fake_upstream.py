"""An OpenAI-compatible server on this machine that remembers, byte for byte, what it was asked."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Asked(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def pictures(self) -> list[NDArray[np.uint8]]:
        """The pictures of a chat request, decoded as they are."""
        messages = json.loads(self.body)["messages"]
        parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
        return [decoded(part["image_url"]["url"]) for part in parts if "image_url" in part]


class FakeUpstream(ThreadingHTTPServer):
    """Answers chats, lists models, and gives prepared answers at other paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.replies: dict[str, bytes] = {}
        """Raw answers, status line and all, by path; the connection ends with them."""
        self.hold = threading.Event()
        """While it is not set, a stream stops after its first piece."""
        self.hold.set()
        self.left = threading.Event()
        """Set when a client left before the end of a stream."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def last(self) -> Asked:
        return self.asked[-1]


@contextmanager
def upstream() -> Iterator[FakeUpstream]:
    server = FakeUpstream()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


def data_url(image: NDArray[np.uint8]) -> str:
    """A picture as a data URL, without loss."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def decoded(url: str) -> NDArray[np.uint8]:
    """The pixels behind a data URL."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2], validate=True))))


def chat(text: str, *urls: str, **more: Any) -> dict[str, Any]:
    """A request with one message of a user."""
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [{"type": "text", "text": text}, *pictures] if urls else text
    return {"model": "seer", "messages": [{"role": "user", "content": content}], **more}


def completion(**message: Any) -> bytes:
    """An answer, in a layout that no JSON library writes."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None} | message}
    return b' {"id":"chat-1", "object" : "chat.completion","created":1.7e9,"model":"seer","choices":[%s]}\n' % (
        json.dumps(choice).encode()
    )


def events(request: dict[str, Any]) -> list[bytes]:
    """The pieces of a streamed answer."""
    words = ["I ", "see ", "it."]
    deltas = [{"role": "assistant"}, *({"content": word} for word in words), {}]
    head = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": request["model"]}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    return [*(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks), b"data: [DONE]\n\n"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeUpstream

    def log_message(self, *_) -> None:
        pass

    def _answer(self) -> None:
        body = self._chunks() if self.headers["Transfer-Encoding"] else None
        if body is None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append(Asked(self.command, self.path, self.headers.items(), body))
        if self.path in self.server.replies:
            # Told, or a proxy may send its next request into the connection that ends.
            self.wfile.write(self.server.replies[self.path].replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            self.close_connection = True
        elif self.command == "POST" and self.path.partition("?")[0] == "/v1/chat/completions":
            self._chat(json.loads(body))
        else:
            self._send(b'{"object":"list","data":[{"id":"seer","object":"model","created":1,"owned_by":"us"}]}')

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = do_OPTIONS = _answer

    def _chat(self, request: dict[str, Any]) -> None:
        if request.get("stream"):
            self._stream(request)
        elif "tools" in request:
            call = {"id": "call-1", "type": "function", "function": {"name": "point", "arguments": '{"x": 1}'}}
            self._send(completion(tool_calls=[call]))
        else:
            self._send(completion(content="I see it."))

    def _stream(self, request: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in events(request):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                while not self.server.hold.wait(0.05):
                    self.wfile.write(b"3\r\n:\n\n\r\n")  # a comment, which clients skip
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.left.set()
            self.close_connection = True

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Request-Id", "request-1")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
