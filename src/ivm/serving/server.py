"""The app under uvicorn, in this process: hardened against slow and oversized requests, and stopped without loss."""

from __future__ import annotations

import asyncio
import logging
import socket
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import Config

from ivm.core.errors import ServingError
from ivm.serving.protocol import GuardedProtocol, guarded_protocol
from ivm.serving.settings import EngineSettings, HttpSettings

_GRACE = 0.5
"""Seconds between closing the door and closing idle connections: a request may be on its way through one."""


def listen(host: str, port: int) -> socket.socket:
    """Open the door; port 0 takes a free one.

    Raises:
        ServingError: the port is taken, or the host not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise ServingError(f"Port {port} of {host} cannot be opened ({error}): choose another with --port") from None


def run(
    app: Starlette,
    door: socket.socket,
    *,
    http: HttpSettings | None = None,
    engine: EngineSettings | None = None,
    started: Callable[[], None] = lambda: None,
    stop_seconds: float | None = None,
    date: bool = True,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer all that was accepted, and return; a second Ctrl-C stops at once.

    Args:
        app: from `create_app`.
        door: from `listen`.
        http: the limits on headers, slow clients and connections.
        engine: its `timeout` bounds how long stopping takes by default.
        started: called when the first request can be answered.
        stop_seconds: how long accepted requests may take when it stops; by default what the limits add up to.
        date: whether every answer gets a `Date`; a proxy hands on the one that it got.

    Raises:
        ServingError: the app did not start.
    """
    http, engine = http or HttpSettings(), engine or EngineSettings()
    seconds = stop_seconds or engine.timeout + http.body_seconds + http.send_seconds + 5
    server = Server(config_of(app, http, stop_seconds=seconds, date=date), app, started)
    with door:
        server.run(sockets=[door])
    if not server.started:
        raise ServingError("The server did not start: the lines above tell why")


def config_of(app: Starlette, http: HttpSettings, *, stop_seconds: float = 60.0, date: bool = True) -> Config:
    """Return uvicorn's configuration with the limits in force."""
    # What is wrong with clients' bytes is told to them, not to the log.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for noisy in ("uvicorn.error", "python_multipart"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return Config(
        app,
        http=guarded_protocol(http),
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=date,
        proxy_headers=False,
        h11_max_incomplete_event_size=http.max_head,
        limit_concurrency=http.max_connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=round(stop_seconds),
    )


class Server(uvicorn.Server):
    """uvicorn's server, less the loss of requests that come while it stops."""

    def __init__(self, config: Config, app: Starlette, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        if self.started:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door; answer what has come in, and what still comes through open connections; then stop."""
        self._app.state.stopping = True
        if isinstance(self.config.http, type) and issubclass(self.config.http, GuardedProtocol):
            self.config.http.draining = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, GuardedProtocol):
                connection.leave()
        for server in self.servers:
            server.close()
        await asyncio.sleep(_GRACE)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> Any:
        """Stop, and end well: what was accepted is answered, so the signal is not raised again."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()
