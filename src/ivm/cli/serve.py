"""`ivm serve`: the arguments of the HTTP server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import BatchSize, Debug, Device, Llava, Model, Quiet, Sam

if TYPE_CHECKING:
    from ivm.serving.settings import HttpSettings

LOOPBACK = ("127.0.0.1", "localhost", "::1")

Host = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 takes all, so that others can ask.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]
Megabytes = Annotated[int, typer.Option("--max-megabytes", min=1, help="Of a picture's file.")]
Megapixels = Annotated[int, typer.Option("--max-megapixels", min=1, help="Of a picture.")]
SessionSeconds = Annotated[
    float, typer.Option("--session-seconds", min=1, help="A kept picture goes when unused for so long.")
]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--api-keys",
        metavar="FILE",
        help="API keys, one a line; IVM_API_KEYS in the environment holds more. Without any, everyone may ask.",
        show_default=False,
    ),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--host-name",
        metavar="NAME",
        help="The server answers only when called by this name; may be repeated. On loopback its own names are set.",
        show_default=False,
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin",
        metavar="URL",
        help="Another site whose pages may ask (CORS), such as https://example.org; may be repeated.",
        show_default=False,
    ),
]

EXAMPLES = """
Examples:

  ivm serve

  ivm serve --host 0.0.0.0 --api-keys keys.txt --model owlv2

  curl -F image=@table.jpg -F "instructions=the red cup" -H "Accept: image/png" localhost:8000/v1/mask > cup.png
"""


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    page: Annotated[bool, typer.Option("--page", help="The page for people at /, too.")] = False,
    model: Model = "ivm-nano",
    sam: Sam = None,
    llava: Llava = None,
    device: Device = "auto",
    api_keys: Keys = None,
    host_name: Hosts = None,
    origin: Origins = None,
    batch_size: BatchSize = 16,
    batch_delay: Annotated[float, typer.Option(min=0, help="Milliseconds that a batch waits for more.")] = 5.0,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Requests at work or waiting; one more gets 429 and Retry-After.")
    ] = 32,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that an answer may take.")] = 30.0,
    max_megabytes: Megabytes = 32,
    max_megapixels: Megapixels = 40,
    max_instructions: Annotated[int, typer.Option(min=1, help="Of one request.")] = 16,
    max_sessions: Annotated[int, typer.Option(min=1, help="Pictures kept to be asked about again.")] = 64,
    session_seconds: SessionSeconds = 600.0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve masks over HTTP: /v1/mask, picture sessions, health, metrics; /openapi.json describes all.

    Requests of many clients go through the model in batches. SIGTERM stops it after everything accepted is answered.
    """
    from ivm.core.extras import require

    require("fastapi", "uvicorn", "python_multipart", "prometheus_client", extra="serve")
    from ivm.inference.zoo import load
    from ivm.serving.app import create_app
    from ivm.serving.server import listen, run
    from ivm.serving.settings import EngineSettings, SessionSettings

    http = settings_of(host, api_keys, host_name, origin, page, max_instructions, max_megabytes)
    engine = EngineSettings(
        max_batch=batch_size,
        max_delay=batch_delay / 1000,
        max_requests=max_requests,
        timeout=timeout,
        max_bytes=max_megabytes << 20,
        max_pixels=max_megapixels * 1_000_000,
    )
    sessions = SessionSettings(seconds=session_seconds, max_sessions=max_sessions)
    door = listen(host, port)
    app = create_app(load(model, device=device, sam=sam, llava=llava), http=http, engine=engine, sessions=sessions)
    run(app, door, http=http, engine=engine, started=lambda: None if quiet else emit(address_of(host, door)))
    if not quiet:
        counts = app.state.engine.counts
        emit(f"stopped: {counts.accepted} requests accepted, {counts.finished} answered")


def settings_of(
    host: str,
    api_keys: Path | None,
    host_names: list[str] | None,
    origins: list[str] | None,
    page: bool,
    max_instructions: int = 16,
    max_megabytes: int = 32,
) -> HttpSettings:
    """Build the HTTP settings that the options mean."""
    from ivm.serving.keys import load_keys
    from ivm.serving.settings import HttpSettings

    names = tuple(host_names or ())
    if host in LOOPBACK:  # else a page of another site could call this machine by a name of its own
        names += ("127.0.0.1", "localhost", "[::1]")
    return HttpSettings(
        keys=load_keys(api_keys),
        origins=tuple(origins or ()),
        hosts=names,
        page=page,
        max_instructions=max_instructions,
        max_body=(max_megabytes << 20) * 3 // 2,
    )


def address_of(host: str, door: object) -> str:
    """Say where the server is."""
    import socket

    assert isinstance(door, socket.socket)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{door.getsockname()[1]}"
