"""`ivm demo`: the page for people, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug, Device, Llava, Model, Quiet, Sam
from ivm.cli.serve import Host, Hosts, Keys, Port, address_of, settings_of


def demo(
    host: Host = "127.0.0.1",
    port: Port = 7860,
    model: Model = "ivm-nano",
    sam: Sam = None,
    llava: Llava = None,
    device: Device = "auto",
    api_keys: Keys = None,
    host_name: Hosts = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Open a page to try it: drop a picture, type what to keep, see heatmap, highlight, blur, crop and cut-out.

    Nothing leaves this machine. The page needs nothing from the web. With --host 0.0.0.0 a phone in the same
    network can come.

    Example: ivm demo --port 7861 --no-browser
    """
    from ivm.core.extras import require

    require("fastapi", "uvicorn", "python_multipart", "prometheus_client", extra="serve")
    from ivm.inference.zoo import load
    from ivm.serving.app import create_app
    from ivm.serving.server import listen, run

    http = settings_of(host, api_keys, host_name, None, page=True)
    door = listen(host, port)
    address = address_of(host, door)

    def started() -> None:
        if not quiet:
            emit(f"{address}  (Ctrl-C ends it)")
        if browser:
            import webbrowser

            webbrowser.open(address)

    run(create_app(load(model, device=device, sam=sam, llava=llava), http=http), door, http=http, started=started)
