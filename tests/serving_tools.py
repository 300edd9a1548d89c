"""What tests of servers share: servers as processes and in a thread, answers as values, forms, raw sockets."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).parents[1] / "examples" / "tabletop.jpg"


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return self.json()["error"]["message"]

    @property
    def type(self) -> str:
        return self.json()["error"]["type"]


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self.address = address
        self.port = int(address.rpartition(":")[2])

    def ask(self, path: str, data: bytes | None = None, method: str | None = None, **headers: str) -> Reply:
        """Send a request; header names with "_" for "-"."""
        request = urllib.request.Request(
            self.address + path, data, {name.replace("_", "-"): value for name, value in headers.items()}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Reply(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read())

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """Send JSON."""
        return self.ask(path, json.dumps(body).encode(), content_type="application/json", **headers)

    def metric(self, name: str) -> float:
        """One number of /metrics."""
        lines = self.ask("/metrics").body.decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def stop(self, by: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(by)
        return self.process.wait(timeout=60)


@contextmanager
def serving(*arguments: str, command: str = "serve", **environment: str) -> Iterator[Server]:
    """Start a server and wait until it says where it is."""
    line = [sys.executable, "-m", "ivm", command, "--port", "0", *arguments]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"} | environment)
    try:
        assert process.stdout is not None
        told = process.stdout.readline().decode()
        assert told.startswith("http"), f"the server ended: {process.wait(timeout=60)}"
        yield Server(process, told.split()[0])
    finally:
        process.kill()
        process.communicate()


def multipart(fields: Sequence[tuple[str, str | bytes]]) -> tuple[str, bytes]:
    """Return content type and body of a form; bytes are files."""
    boundary = secrets.token_hex(8)
    parts = []
    for name, value in fields:
        file = '; filename="picture"\r\nContent-Type: application/octet-stream' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
        )
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def everything(port: int, request: bytes) -> bytes:
    """Send bytes to a port on loopback as they are, and return all that comes until the server ends the connection."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with contextlib.suppress(ConnectionError):  # it may have had enough before all is sent
            connection.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                got += part
    return got


@contextmanager
def in_process(model: Path, **limits: float) -> Iterator[int]:
    """Serve a model in a thread, with limits that the command line does not offer; gives the port."""
    from ivm.inference.zoo import load
    from ivm.serving.app import create_app
    from ivm.serving.server import Server, config_of, listen
    from ivm.serving.settings import HttpSettings

    http = HttpSettings(**limits)  # type: ignore[arg-type]
    ready = threading.Event()
    app = create_app(load(model), http=http)
    with listen("127.0.0.1", 0) as door:
        server = Server(config_of(app, http), app, ready.set)
        thread = threading.Thread(target=server.run, args=([door],))
        thread.start()
        assert ready.wait(60)
        try:
            yield door.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(60)
    assert not thread.is_alive()
