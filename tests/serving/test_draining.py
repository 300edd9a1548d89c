"""SIGTERM while many clients ask: everything accepted is answered, whole, and the process ends well."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections import Counter

import pytest

from serving_tools import TABLE

CLIENTS = 24


class Client(threading.Thread):
    """Asks again and again over one connection at a time until the server is gone."""

    def __init__(self, port: int, body: bytes) -> None:
        super().__init__()
        self._port, self._body = port, body
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        while not self.seen["refused"]:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                connection.connect()
            except OSError:
                self.seen["refused"] += 1
                return
            try:
                self.ask_on(connection)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.seen["not taken"] += 1  # no byte of an answer: the server never took it
            finally:
                connection.close()

    def ask_on(self, connection: http.client.HTTPConnection) -> None:
        while True:
            connection.request("POST", "/v1/mask", self._body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()  # IncompleteRead would end the thread, and the test
            self.seen[str(answer.status)] += 1
            assert json.loads(content)
            if answer.will_close:
                return


@pytest.mark.parametrize("limit", [8, 64])
def test_nothing_accepted_is_lost(start, limit):
    server = start("--max-requests", str(limit))
    picture = base64.b64encode(TABLE.read_bytes()).decode()
    body = json.dumps({"image": picture, "instructions": ["red", "blue"], "outputs": ["rle", "crop"]}).encode()
    clients = [Client(server.port, body) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    while sum(client.seen["200"] for client in clients) < 2 * CLIENTS:
        assert all(client.is_alive() for client in clients)
        clients[0].join(0.01)
    assert server.stop() == 0
    for client in clients:
        client.join(60)
    seen = sum((client.seen for client in clients), Counter())
    told = server.process.stdout.read().decode()
    assert f"stopped: {seen['200']} requests accepted, {seen['200']} answered" in told, (told, seen)
    assert set(seen) <= {"200", "429", "503", "refused", "not taken"}
    assert seen["refused"] == CLIENTS
    assert (seen["429"] > 0) == (limit < CLIENTS)
