"""What Prometheus reads at /metrics: requests by route and status, batches, places, sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ivm.serving.engine import Engine
from ivm.serving.sessions import SessionStore

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """One server's numbers, in a registry of their own."""

    def __init__(self, engine: Engine, sessions: SessionStore) -> None:
        self.registry = CollectorRegistry()
        self._engine, self._sessions = engine, sessions
        self.requests = Counter(
            "ivm_requests_total", "Answered requests", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "ivm_request_seconds",
            "From a request's head to the end of its answer",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "ivm_batch_questions", "Questions of a batch", buckets=SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram("ivm_batch_seconds", "Model's time", buckets=SECONDS, registry=self.registry)
        engine.observe_batch = self._observe_batch
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield what the engine and the sessions count themselves."""
        counts, engine, sessions = self._engine.counts, self._engine, self._sessions
        yield CounterMetricFamily("ivm_accepted", "Requests that got a place", value=counts.accepted)
        yield CounterMetricFamily("ivm_finished", "Requests that gave their place back", value=counts.finished)
        yield CounterMetricFamily("ivm_refused", "Requests refused for lack of room", value=counts.refused)
        yield CounterMetricFamily("ivm_timed_out", "Requests that took too long", value=counts.timed_out)
        yield CounterMetricFamily("ivm_questions", "Questions that the model answered", value=counts.questions)
        yield GaugeMetricFamily("ivm_in_flight", "Requests that have a place", value=engine.in_flight)
        yield GaugeMetricFamily("ivm_waiting", "Jobs that wait for the model", value=engine.waiting)
        yield GaugeMetricFamily("ivm_sessions", "Open picture sessions", value=len(sessions))
        yield GaugeMetricFamily("ivm_session_bytes", "Memory of all sessions", value=sessions.nbytes)
        yield CounterMetricFamily("ivm_sessions_expired", "Sessions ended by time", value=sessions.expired)
        yield CounterMetricFamily("ivm_sessions_evicted", "Sessions ended for want of room", value=sessions.evicted)

    def text(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        return generate_latest(self.registry)

    def _observe_batch(self, questions: int, seconds: float) -> None:
        self.batch_size.observe(questions)
        self.batch_seconds.observe(seconds)


class Meter:
    """ASGI middleware that counts and times requests by route."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            # The template of the route, never the path itself, which anyone can make up.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - started)
