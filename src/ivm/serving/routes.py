"""The routes of the API: masks, picture sessions, health and metrics."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Sequence
from typing import Any, Literal, cast

from fastapi import APIRouter, Request, Response

from ivm.core.errors import OptionError
from ivm.inference.masker import check_style, result_of
from ivm.masking import MaskResult
from ivm.serving.bodies import read_mask_request, read_question, read_session_request
from ivm.serving.engine import Engine
from ivm.serving.metrics import Metrics
from ivm.serving.openapi import FORM_OF_MASK, FORM_OF_SESSION, JSON_OF_QUESTION, MASK_ANSWERS, answers
from ivm.serving.outputs import MEDIA_TYPES, Format, described, encode_picture, render, zipped
from ivm.serving.schema import Health, Question, SessionAnswer
from ivm.serving.sessions import Session, SessionStore
from ivm.serving.settings import HttpSettings

As = Literal["json", "picture", "zip"]


def router(engine: Engine, sessions: SessionStore, metrics: Metrics, settings: HttpSettings) -> APIRouter:
    """Build the routes around an engine."""
    routes = APIRouter()

    @routes.post("/v1/mask", openapi_extra=FORM_OF_MASK, responses=MASK_ANSWERS, response_class=Response)
    async def mask(request: Request) -> Response:
        """Mask a picture for one or more instructions.

        The answer is JSON with the pictures in it; with `Accept: image/png` or `image/webp` the one picture asked for,
        with `Accept: application/zip` a ZIP file of all.
        """
        data, question = await read_mask_request(request, engine, settings.max_instructions)
        wanted = _checked(request, question)
        async with engine.admit():
            image = await engine.load(data)
            del data
            async with engine.hold(image.nbytes):
                results = await engine.mask(
                    image, question.instructions, threshold=question.threshold, **question.style()
                )
                return await _answer(engine, question, results, *wanted)

    @routes.post(
        "/v1/sessions",
        status_code=201,
        openapi_extra=FORM_OF_SESSION,
        response_model=SessionAnswer,
        responses=answers(400, 401, 403, 408, 413, 415, 422, 429, 503, 504),
    )
    async def open_session(request: Request, response: Response) -> dict[str, Any]:
        """Keep a picture: the model reads it once, and is asked often."""
        data = await read_session_request(request, engine)
        async with engine.admit():
            image = await engine.load(data)
            async with engine.hold(image.nbytes):
                session = sessions.open(await engine.encode(image))
        response.headers["location"] = f"/v1/sessions/{session.id}"
        return _session_answer(session, sessions)

    @routes.get("/v1/sessions/{id}", response_model=SessionAnswer, responses=answers(401, 404, 422))
    async def look_at_session(id: str) -> dict[str, Any]:
        """Tell whether a session is still there; it counts as use."""
        return _session_answer(sessions.get(id), sessions)

    @routes.post(
        "/v1/sessions/{id}/mask", openapi_extra=JSON_OF_QUESTION, responses=MASK_ANSWERS, response_class=Response
    )
    async def ask_session(id: str, request: Request) -> Response:
        """Ask about a kept picture; what was asked before is rendered anew without asking the model again."""
        question = await read_question(request, settings.max_instructions)
        wanted = _checked(request, question)
        session = sessions.get(id)
        async with engine.admit():
            found = await session.ask(engine, question.instructions)
            sessions.fit()
            image = session.encoded.image
            results = await engine.work(
                lambda: [result_of(image, one, question.threshold, question.style()) for one in found]
            )
            return await _answer(engine, question, results, *wanted)

    @routes.delete("/v1/sessions/{id}", status_code=204, responses=answers(401, 403, 404, 422))
    async def close_session(id: str) -> None:
        """Let go of a picture."""
        sessions.close(id)

    @routes.get("/healthz", response_model=Health, responses=answers(421))
    async def health() -> dict[str, str]:
        """Tell that the process is alive."""
        return {"status": "ok", "model": engine.masker.model.name}

    @routes.get("/readyz", response_model=Health, responses={503: {"model": Health}})
    async def ready(request: Request, response: Response) -> dict[str, str]:
        """Tell whether a request would be worked on; 503 while the server is stopping."""
        stopping = request.app.state.stopping
        if stopping or not engine.ready:
            response.status_code = 503
            return {"status": "stopping" if stopping else "starting", "model": engine.masker.model.name}
        return {"status": "ok", "model": engine.masker.model.name}

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **answers(401)})
    async def prometheus() -> Response:
        """Tell the numbers that Prometheus reads."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


def _session_answer(session: Session, sessions: SessionStore) -> dict[str, Any]:
    height, width = session.encoded.image.shape[:2]
    return {"id": session.id, "width": width, "height": height, "seconds": sessions.settings.seconds}


def _checked(request: Request, question: Question) -> tuple[As, Format]:
    """Read the header Accept, and raise for what cannot be, before the model works for nothing."""
    check_style(question.threshold, question.style())
    accept = request.headers.get("accept", "").lower()
    if "application/zip" in accept:
        return "zip", question.format
    format = next((name for name, kind in MEDIA_TYPES.items() if kind in accept), None)
    if format is None or "application/json" in accept or "text/html" in accept:
        return "json", question.format
    if len(question.instructions) != 1 or len(question.outputs) != 1 or question.outputs == ["rle"]:
        raise OptionError("A picture alone answers one instruction with one output: ask for JSON or application/zip")
    return "picture", format


async def _answer(
    engine: Engine, question: Question, results: Sequence[MaskResult], wanted: As, format: Format
) -> Response:
    pairs = list(zip(question.instructions, results, strict=True))
    if wanted == "zip":
        content = await engine.work(lambda: zipped(pairs, question.outputs, format))
        return Response(content, media_type="application/zip", headers={"content-disposition": _ATTACHED})
    if wanted == "picture":
        name = cast(Any, question.outputs[0])
        content = await engine.work(lambda: encode_picture(render(results[0], name, pairs[0][0]), format))
        found = results[0].found
        about = {"x-ivm-kept-whole": str(results[0].kept_whole).lower(), "x-ivm-found": f"{found}"}
        return Response(content, media_type=MEDIA_TYPES[format], headers=about)

    def one(text: str, result: MaskResult) -> bytes:
        return json.dumps(described(result, text, question.outputs, format)).encode()

    parts = await asyncio.gather(*(engine.work(functools.partial(one, *pair)) for pair in pairs))
    model = json.dumps(engine.masker.model.name).encode()
    content = b'{"model":' + model + b',"results":[' + b",".join(parts) + b"]}"
    return Response(content, media_type="application/json")


_ATTACHED = 'attachment; filename="ivm.zip"'
