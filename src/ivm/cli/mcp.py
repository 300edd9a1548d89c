"""`ivm mcp`: the arguments of the server for agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug, Device, Llava, Model, Quiet, Sam
from ivm.cli.proxy import AllowFetch, FetchSeconds, NoFetch, fetch_limits
from ivm.cli.serve import Host, Hosts, Keys, Megabytes, Megapixels, Port, SessionSeconds, address_of, settings_of

Folder = Annotated[
    list[Path] | None,
    typer.Option(
        "--folder",
        "-f",
        metavar="DIR",
        help="Agents may read pictures in this folder and below it; may be repeated. Without it no file is read.",
        show_default=False,
    ),
]

EXAMPLES = """
Examples:

  ivm mcp --folder ~/Pictures

  claude mcp add ivm -- ivm mcp --folder ~/Pictures

  ivm mcp --http --folder pictures --api-keys keys.txt
"""


def mcp(
    folder: Folder = None,
    http: Annotated[
        bool, typer.Option("--http", help="Speak HTTP at /mcp of --host and --port, not on standard input and output.")
    ] = False,
    host: Host = "127.0.0.1",
    port: Port = 8002,
    model: Model = "ivm-nano",
    sam: Sam = None,
    llava: Llava = None,
    device: Device = "auto",
    max_side: Annotated[
        int, typer.Option(min=32, help="Pixels of the longer side of pictures that agents get.")
    ] = 1568,
    allow_fetch: AllowFetch = None,
    no_fetch: NoFetch = False,
    fetch_seconds: FetchSeconds = 20.0,
    max_megabytes: Megabytes = 32,
    max_megapixels: Megapixels = 40,
    session_seconds: SessionSeconds = 600.0,
    api_keys: Keys = None,
    host_name: Hosts = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Give agents a closer look: an MCP server with the tools find, mask, crop and cut_out.

    A picture is read by the model once and asked often. Agents start it themselves and speak over standard input and
    output; --http serves many.
    """
    from ivm.core.extras import require

    require("mcp", "httpcore2", "uvicorn", extra="serve")
    from ivm.inference.zoo import load
    from ivm.serving.engine import Engine
    from ivm.serving.fetching import PictureFetcher
    from ivm.serving.mcp_files import Folders
    from ivm.serving.mcp_looking import Looker
    from ivm.serving.mcp_server import create_mcp, http_app
    from ivm.serving.server import listen, run
    from ivm.serving.sessions import SessionStore
    from ivm.serving.settings import EngineSettings, SessionSettings

    folders = Folders(folder or ())
    limits = fetch_limits(allow_fetch, no_fetch, fetch_seconds, max_megabytes)
    settings = EngineSettings(max_bytes=max_megabytes << 20, max_pixels=max_megapixels * 1_000_000)
    engine = Engine(load(model, device=device, sam=sam, llava=llava), settings)
    store = SessionStore(SessionSettings(seconds=session_seconds))
    looker = Looker(engine, folders, PictureFetcher(limits), store, max_side)
    server = create_mcp(looker)
    if not http:
        server.run("stdio")
        return
    guarded = settings_of(host, api_keys, host_name, None, page=False, max_megabytes=max_megabytes)
    door = listen(host, port)
    run(
        http_app(server, looker, guarded),
        door,
        http=guarded,
        engine=settings,
        started=lambda: None if quiet else emit(f"{address_of(host, door)} (agents take the address with /mcp)"),
    )
