"""The proxy in a thread of this process, with a fake model, in front of a fake upstream."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fake_models import RedModel
from ivm.core.model import MaskModel
from ivm.inference.masker import Masker
from ivm.serving.proxy import ProxySettings, create_proxy
from ivm.serving.server import Server, config_of, listen


@dataclass
class Answer:
    """What a proxy answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]


@dataclass
class RunningProxy:
    """Asks a proxy, byte for byte."""

    port: int
    model: MaskModel

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def chat(self, request: Any, **headers: str) -> Answer:
        """Send a chat request; header names with "_" for "-"."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"} | named)


@contextmanager
def running_proxy(upstream: str, model: MaskModel | None = None, **settings: Any) -> Iterator[RunningProxy]:
    """Run a proxy; settings are those of `ProxySettings`."""
    model = model or RedModel()
    chosen = ProxySettings(upstream=upstream, **settings)
    app = create_proxy(Masker(model), chosen)
    config = config_of(app, chosen.http, date=False)
    ready = threading.Event()
    server = Server(config, app, ready.set)
    with listen("127.0.0.1", 0) as door:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            assert ready.wait(60), "the proxy did not start"
            yield RunningProxy(door.getsockname()[1], model)
        finally:
            server.should_exit = True
            thread.join()
