"""A model hub of one repository on this machine: what huggingface_hub asks one for, and mishaps on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = (".safetensors", ".zip")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """Serves files of a repository; large ones (`LARGE`) from another host, as the real one's LFS does."""

    daemon_threads = True

    def __init__(self, repository: str, files: Mapping[str, bytes], kind: str = "model") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository, self.files, self.kind = repository, dict(files), kind
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and Range header of every request."""
        self.drop_after: list[int] = []
        """Bytes after which the next transfers of large files break off; each is used up."""
        self.refuse = False
        """Whether transfers of large files that go on are answered with an error."""
        self.served: dict[str, bytes] = {}
        """Content that is sent in place of the file that the checksum belongs to."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def ranges(self, name: str) -> list[str | None]:
        """The Range headers with which a file's content was asked for."""
        return [part for method, path, part in self.asked if method == "GET" and path.endswith(f"/{name}")]


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Range")))
        name = path.rpartition("/")[2]
        listing, home = f"/api/{hub.kind}s/{hub.repository}", "" if hub.kind == "model" else f"/{hub.kind}s"
        if path in (listing, f"{listing}/revision/main"):
            self._list()
        elif path == f"{home}/{hub.repository}/resolve/{COMMIT}/{name}" and name in hub.files:
            self._resolve(name)
        elif path == f"/large/{name}":
            self._large(name)
        else:
            code = "RepoNotFound" if hub.repository not in path else "EntryNotFound"
            self._send(404, {"X-Error-Code": code, "X-Error-Message": "not found"}, b"")

    def _list(self) -> None:
        siblings = [{"rfilename": name} for name in self.server.files]
        body = {"id": self.server.repository, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
        self._send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _resolve(self, name: str) -> None:
        content = self.server.files[name]
        headers = {"X-Repo-Commit": COMMIT}
        if name.endswith(LARGE):
            checksum = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{checksum}"', "X-Linked-Size": str(len(content))}
            self._send(302, headers | {"Location": f"http://localhost:{self.server.server_port}/large/{name}"}, b"")
        else:
            checksum = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self._send(200, headers | {"ETag": f'"{checksum}"'}, self.server.served.get(name, content))

    def _large(self, name: str) -> None:
        content = self.server.served.get(name, self.server.files[name])
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start and self.server.refuse:
            self._send(500, {}, b"")
            return
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        body = content[start:]
        if self.server.drop_after:
            self._send(206 if start else 200, headers, body, stop=self.server.drop_after.pop(0))
            self.close_connection = True
        else:
            self._send(206 if start else 200, headers, body)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, *, stop: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:stop])
