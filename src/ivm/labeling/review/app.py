"""The page for reviewing, on this machine alone: an ASGI app and the server that runs it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import ImageFormatError, IvmError, OptionError
from ivm.core.extras import optional
from ivm.core.images import load_image
from ivm.data.coding import encode_picture
from ivm.labeling.review.points import mask_from_points
from ivm.labeling.review.queue import Queue
from ivm.labeling.writer import read_maker

_HERE = Path(__file__).parent
_MOST_BYTES = 64 * 2**20
LOCAL_NAMES = ["127.0.0.1", "localhost", "[::1]"]
"""By no other name may the page be asked for, so that no other site's page can."""

Endpoint: TypeAlias = Callable[[Any], Awaitable[Any]]

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Review:
    """Answers the page's questions about one folder."""

    def __init__(self, queue: Queue, by: str) -> None:
        self._queue, self._by = queue, by

    def state(self, place: int | None) -> dict[str, Any]:
        """What the page shows: a record by its place, or the next one to decide about."""
        waiting = self._queue.waiting()
        told: dict[str, Any] = {"left": len(waiting), "all": len(self._queue.entries), "record": None}
        if place is None:
            place = waiting[0] if waiting else None
        if place is None:
            return told
        record, entry = self._queue.record(place), self._queue.entries[place]
        mask = record.mask
        later = [other for other in waiting if other > place]
        told["record"] = {
            "place": place,
            "next": later[0] if later else (waiting[0] if waiting else place),
            "uuid": record.uuid,
            "instructions": list(record.instructions),
            "weight": entry.weight,
            "rejected": entry.rejected,
            "about": read_maker(record),
            "width": mask.shape[1],
            "height": mask.shape[0],
            "decided": self._queue.decisions[record.uuid].decision if record.uuid in self._queue.decisions else "",
        }
        return told

    def picture(self, place: int) -> bytes:
        """The record's picture as PNG."""
        return encode_picture(self._queue.record(place).image, "png")

    def mask(self, place: int) -> bytes:
        """The record's mask as a PNG, white where needed; a redrawn one where there is one."""
        record = self._queue.record(place)
        decision = self._queue.decisions.get(record.uuid)
        drawn = decision.drawn() if decision is not None else None
        return _png(drawn if drawn is not None else record.mask > 127)

    def points(self, place: int, told: dict[str, Any]) -> bytes:
        """A mask as PNG from the page's mask and its clicks."""
        try:
            points = [(float(x), float(y), bool(there)) for x, y, there in told["points"]]
        except (KeyError, TypeError, ValueError):
            raise OptionError("points must be a list of [x, y, there]") from None
        return _png(mask_from_points(self._queue.record(place).image, _read_mask(told.get("mask")), points))

    def decide(self, place: int, told: dict[str, Any]) -> dict[str, Any]:
        """Keep a decision, and tell the record after it; what was left for later comes when the rest is through."""
        mask = _read_mask(told.get("mask")) if told.get("decision") == "redraw" else None
        self._queue.decide(place, str(told.get("decision")), mask, self._by)
        return self.state(next((other for other in self._queue.waiting() if other > place), None))

    def undo(self) -> dict[str, Any]:
        """Take the last decision back, and tell its record."""
        return self.state(self._queue.undo())


def review_app(queue: Queue, by: str) -> Any:
    """The ASGI app.

    Args:
        queue: of the folder.
        by: who decides, as decisions tell it.

    Raises:
        MissingExtraError: Starlette is not installed.
    """
    applications = optional("starlette.applications", extra="label")
    routing = optional("starlette.routing", extra="label")
    concurrency = optional("starlette.concurrency", extra="label")
    responses = optional("starlette.responses", extra="label")
    middleware = optional("starlette.middleware", extra="label")
    hosts = optional("starlette.middleware.trustedhost", extra="label")
    review = Review(queue, by)

    def answering(work: Callable[[Any, dict[str, Any]], Any], *, posted: bool = False) -> Endpoint:
        async def endpoint(request: Any) -> Any:
            try:
                told = await _body(request) if posted else {}
                answer = await concurrency.run_in_threadpool(work, request.path_params.get("place"), told)
            except IvmError as error:
                return responses.JSONResponse({"error": str(error)}, status_code=400, headers=_HEADERS)
            if isinstance(answer, bytes):
                return responses.Response(answer, media_type="image/png", headers=_HEADERS)
            return responses.JSONResponse(answer, headers=_HEADERS)

        return endpoint

    def file(name: str, kind: str) -> Endpoint:
        async def endpoint(request: Any) -> Any:
            return responses.Response((_HERE / name).read_bytes(), media_type=kind, headers=_HEADERS)

        return endpoint

    def route(path: str, work: Any, *, posted: bool = False) -> Any:
        return routing.Route(path, answering(work, posted=posted), methods=["POST" if posted else "GET"])

    return applications.Starlette(
        routes=[
            routing.Route("/", file("page.html", "text/html; charset=utf-8")),
            routing.Route("/page.js", file("page.js", "text/javascript; charset=utf-8")),
            route("/api/next", lambda place, told: review.state(None)),
            route("/api/records/{place:int}", lambda place, told: review.state(place)),
            route("/api/records/{place:int}/picture", lambda place, told: review.picture(place)),
            route("/api/records/{place:int}/mask", lambda place, told: review.mask(place)),
            route("/api/records/{place:int}/points", review.points, posted=True),
            route("/api/records/{place:int}/decision", review.decide, posted=True),
            route("/api/undo", lambda place, told: review.undo(), posted=True),
        ],
        middleware=[middleware.Middleware(hosts.TrustedHostMiddleware, allowed_hosts=LOCAL_NAMES)],
    )


def serve_review(queue: Queue, by: str, port: int, *, opened: Callable[[str, Callable[[], None]], None]) -> None:
    """Serve the page on this machine's loopback address until Ctrl-C.

    Args:
        queue: of the folder.
        by: who decides.
        port: 0 takes a free one.
        opened: told the page's address as soon as it can be asked for, and given what ends the server.

    Raises:
        MissingExtraError: Starlette or uvicorn is not installed.
        OptionError: the port is taken.
    """
    import socket

    uvicorn = optional("uvicorn", extra="label")
    app = review_app(queue, by)
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise OptionError(f"Port {port} cannot be used ({error.strerror}): choose another --port") from None
    with listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))

        def end() -> None:
            server.should_exit = True

        opened(f"http://127.0.0.1:{listening.getsockname()[1]}/", end)
        server.run(sockets=[listening])


async def _body(request: Any) -> dict[str, Any]:
    # A page of another site can send no JSON here without asking first, which is refused.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise OptionError("What is posted must be application/json")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MOST_BYTES:
            raise OptionError(f"What is posted must not be longer than {_MOST_BYTES:,} bytes")
    try:
        told = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise OptionError("What is posted must be a JSON object")
    return told


def _read_mask(url: object) -> NDArray[np.bool_]:
    head, _, data = str(url).partition(",")
    try:
        if head != "data:image/png;base64":
            raise ImageFormatError("A mask must be a PNG as a data URL")
        pixels = load_image(base64.b64decode(data, validate=True))
    except binascii.Error:
        raise ImageFormatError("The mask's data URL is not base64") from None
    mask: NDArray[np.bool_] = pixels[..., 0] > 127
    return mask


def _png(mask: NDArray[np.bool_]) -> bytes:
    return encode_picture(np.repeat(mask[..., None].astype(np.uint8) * np.uint8(255), 3, axis=2), "png")
