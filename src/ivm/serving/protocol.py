"""uvicorn's HTTP protocol with limits on slow clients: on the time for headers, and on the time to take an answer."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ivm.serving.guard import too_large_head
from ivm.serving.problems import Refusal, problem
from ivm.serving.settings import HttpSettings


class GuardedProtocol(H11Protocol):
    """One connection. Bodies have their own limits, see `ivm.serving.guard`."""

    http = HttpSettings()
    """The limits; a server sets its own with `guarded_protocol`."""
    draining = False
    """Whether every answer shall end its connection, because the server is stopping."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; from now on the time for the first headers runs."""
        super().connection_made(transport)
        # So that `pause_writing` is called as soon as the client's side takes no more, and resumes when all is taken.
        transport.set_write_buffer_limits(high=0)
        self._late_head: asyncio.TimerHandle | None = None
        self._late_send: asyncio.TimerHandle | None = None
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of headers do not extend the time for them."""
        super().data_received(data)
        self._await_head()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request; uvicorn's own timer ends the connection where nothing comes at all."""
        super().on_response_complete()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for timer in (self._late_head, self._late_send):
            if timer is not None:
                timer.cancel()
        self._late_head = self._late_send = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client leaves its answer unread."""
        super().pause_writing()
        if self._late_send is None:
            self._late_send = self.loop.call_later(self.http.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        if self._late_send is not None:
            self._late_send.cancel()
            self._late_send = None

    def send_400_response(self, msg: str) -> None:
        """Tell what is wrong with a request that is not HTTP, or whose headers are too large."""
        error = sys.exc_info()[1]
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
            refusal = too_large_head(self.http.max_head)
        else:
            refusal = Refusal(400, "bad_http", f"This is not HTTP ({error}): send a correct request")
        status, headers, content = problem(refusal)
        headers["connection"] = "close"
        try:
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            events = (
                h11.Response(status_code=status, headers=raw, reason=b""),
                h11.Data(data=content),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # an answer is on its way already
            pass
        self.transport.close()

    def leave(self) -> None:
        """Let the answer that is under way, or the next one, end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def handle_events(self) -> None:
        """Handle what came; while the server is stopping, each new request is the connection's last."""
        super().handle_events()
        if type(self).draining:
            self.leave()

    def _await_head(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._late_head is None and not self.transport.is_closing():
            self._late_head = self.loop.call_later(self.http.head_seconds, self._head_is_late)
        elif not waiting and self._late_head is not None:
            self._late_head.cancel()
            self._late_head = None

    def _head_is_late(self) -> None:
        self._late_head = None
        if not self.transport.is_closing():
            self.transport.close()


def guarded_protocol(settings: HttpSettings) -> type[GuardedProtocol]:
    """Return the protocol with a server's own limits."""
    members: dict[str, Any] = {"http": settings, "draining": False, "__doc__": GuardedProtocol.__doc__}
    return type("GuardedProtocol", (GuardedProtocol,), members)
