"""The HTTP API as an ASGI app: the same under uvicorn (`ivm serve`), Ray Serve and a test's client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from ivm import __version__
from ivm.core.errors import IvmError
from ivm.inference.masker import Masker
from ivm.serving import page, routes
from ivm.serving.engine import Engine
from ivm.serving.guard import Guard
from ivm.serving.metrics import Meter, Metrics
from ivm.serving.problems import Refusal, problem
from ivm.serving.sessions import SessionStore
from ivm.serving.settings import EngineSettings, HttpSettings, SessionSettings

OPEN_PATHS = ("/", "/page/", "/healthz", "/readyz", "/openapi.json")
"""Need no API key: they tell nothing but that the server is there, and what it can."""


def create_app(
    masker: Masker,
    *,
    http: HttpSettings | None = None,
    engine: EngineSettings | None = None,
    sessions: SessionSettings | None = None,
) -> FastAPI:
    """Build the app around a model; its lifespan starts the engine, and ends only when all accepted work is done.

    Args:
        masker: answers the questions.
        http: keys, other sites, limits on bodies and instructions, and whether there is a page.
        engine: batching, places, limits on pictures and time.
        sessions: how many pictures are kept, and how long.
    """
    http = http or HttpSettings()
    running = Engine(masker, engine)
    store = SessionStore(sessions)
    metrics = Metrics(running, store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running:
            yield

    app = FastAPI(
        title="ivm",
        summary="Keeps what an instruction needs in a picture, masks the rest",
        version=__version__,
        docs_url=None,  # would load scripts from another site
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.stopping = False
    app.state.engine = running
    app.include_router(routes.router(running, store, metrics, http))
    if http.page:
        app.include_router(page.router())
    app.add_middleware(Guard, engine=running, settings=http, open_paths=OPEN_PATHS)
    if http.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(http.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        )
    app.add_middleware(Meter, metrics=metrics)
    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    """Give every error the same body."""

    @app.exception_handler(IvmError)
    @app.exception_handler(Refusal)
    async def told(request: Request, error: IvmError | Refusal) -> Response:
        status, headers, content = problem(error)
        return Response(content, status, headers)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing at this address", 405: "This address does not take this method"}
        message = f"{words.get(error.status_code, error.detail)}: /openapi.json tells what there is"
        return await told(request, Refusal(error.status_code, "http", message, dict(error.headers or {})))

    @app.exception_handler(RequestValidationError)
    async def of_parameters(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return await told(request, Refusal(422, "bad_request", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))

    @app.exception_handler(ClientDisconnect)
    async def of_leaving(request: Request, error: ClientDisconnect) -> Response:
        return await told(request, Refusal(400, "gone", "The client left before its request was complete: try again"))

    @app.exception_handler(Exception)
    async def of_program(request: Request, error: Exception) -> Response:
        # The server's log has the traceback; it is nobody else's business.
        return await told(request, Refusal(500, "internal", "The server made a mistake: its log tells which one"))
