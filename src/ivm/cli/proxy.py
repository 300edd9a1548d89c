"""`ivm proxy`: the arguments of the masking proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.completion import listed, one_of
from ivm.cli.console import emit, show_log
from ivm.cli.options import (
    Blur,
    Debug,
    Device,
    Dilate,
    FillColor,
    Llava,
    Model,
    Preset,
    Quiet,
    Sam,
    Threshold,
    style_of,
    threshold_of,
)
from ivm.cli.serve import Host, Hosts, Megabytes, Megapixels, Origins, Port, address_of, settings_of

if TYPE_CHECKING:
    from ivm.serving.fetching import FetchLimits


def _modes() -> tuple[str, ...]:
    from ivm.serving.proxy_options import MODES

    return MODES


def _styles() -> tuple[str, ...]:
    from ivm.serving.proxy_options import STYLES

    return STYLES


Upstream = Annotated[
    str,
    typer.Option(
        "--upstream",
        "-u",
        metavar="URL",
        help="The OpenAI-compatible server behind, as a client names it: https://api.openai.com/v1.",
        show_default=False,
    ),
]
Mode = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="NAME",
        help="What takes a picture's place: replace (the masked picture), crop (the part that is kept), or "
        "original+crop (the picture as it came, and the crop after it). Header: X-IVM-Mode.",
        autocompletion=listed(_modes),
    ),
]
Style = Annotated[
    str,
    typer.Option(
        "--style",
        "-s",
        metavar="NAME",
        help="highlight, blur, crop, crop-blur, alpha, cutout, gray, inpaint, heatmap, soft or hard; original, with "
        "the modes that crop, is unmasked. Header: X-IVM-Style.",
        autocompletion=listed(_styles),
    ),
]
OnError = Annotated[
    str,
    typer.Option(
        "--on-error",
        metavar="refuse|pass",
        help="A picture that cannot be masked: answer with an error, or let it pass as it is. Header: X-IVM-On-Error.",
        autocompletion=one_of("refuse", "pass"),
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="png|webp",
        help="Of masked pictures: exact, or small.",
        autocompletion=one_of("png", "webp"),
    ),
]
AllowFetch = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-fetch",
        metavar="HOST|NETWORK",
        help="Fetch pictures from there although it is not on the public internet: pictures.example, 10.1.0.0/16; "
        "may be repeated.",
        show_default=False,
    ),
]
NoFetch = Annotated[bool, typer.Option("--no-fetch", help="Fetch nothing from the web: data URLs only.")]
FetchSeconds = Annotated[float, typer.Option(min=0.1, help="Seconds that fetching a picture may take.")]

EXAMPLES = """
Examples:

  ivm proxy --upstream https://api.openai.com/v1

  ivm proxy --upstream http://localhost:11434/v1 --mode original+crop --style original --model owlv2

  OPENAI_BASE_URL=http://localhost:8001/v1 python my_agent.py
"""


def proxy(
    upstream: Upstream,
    host: Host = "127.0.0.1",
    port: Port = 8001,
    mode: Mode = "replace",
    style: Style = "highlight",
    threshold: Threshold = "0.5",
    preset: Preset = "paper",
    fill_color: FillColor = None,
    blur: Blur = None,
    dilate: Dilate = None,
    on_error: OnError = "refuse",
    image_format: Format = "png",
    model: Model = "ivm-nano",
    sam: Sam = None,
    llava: Llava = None,
    device: Device = "auto",
    allow_fetch: AllowFetch = None,
    no_fetch: NoFetch = False,
    fetch_seconds: FetchSeconds = 20.0,
    host_name: Hosts = None,
    origin: Origins = None,
    max_requests: Annotated[
        int,
        typer.Option(min=1, help="Requests whose pictures are masked at a time; one more gets 429 and Retry-After."),
    ] = 32,
    max_pictures: Annotated[int, typer.Option(min=1, help="Pictures of one request.")] = 16,
    max_megabytes: Megabytes = 32,
    max_megapixels: Megapixels = 40,
    mask_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds that masking a request may take.")] = 30.0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that the upstream may be silent.")] = 600.0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Mask the pictures of chat requests on their way to any OpenAI-compatible server.

    A client needs another base URL and nothing else: the last text of a user says what to keep. All but the pictures,
    the answers too, passes through byte for byte. X-IVM-Mask: off lets a request pass as it is.
    """
    from ivm.core.extras import require

    require("httpcore2", "starlette", "uvicorn", extra="serve")
    from ivm.inference.zoo import load
    from ivm.serving.proxy import ProxySettings, create_proxy
    from ivm.serving.proxy_options import MaskOptions
    from ivm.serving.server import listen, run
    from ivm.serving.settings import EngineSettings

    settings = ProxySettings(
        upstream=upstream,
        upstream_seconds=timeout,
        options=MaskOptions(
            mode=mode,
            style=style,
            threshold=threshold_of(threshold),
            on_error=on_error,
            format=image_format,
            more=style_of(preset, fill_color, blur, dilate),
        ),
        fetch=fetch_limits(allow_fetch, no_fetch, fetch_seconds, max_megabytes),
        engine=EngineSettings(
            max_requests=max_requests,
            timeout=mask_seconds,
            max_bytes=max_megabytes << 20,
            max_pixels=max_megapixels * 1_000_000,
        ),
        http=settings_of(host, None, host_name, origin, page=False, max_megabytes=max_megabytes),
        max_pictures=max_pictures,
    )
    door = listen(host, port)
    app = create_proxy(load(model, device=device, sam=sam, llava=llava), settings)
    if not quiet:
        show_log()
    run(
        app,
        door,
        http=settings.http,
        engine=settings.engine,
        started=lambda: None if quiet else emit(f"{address_of(host, door)} (clients take the base URL with /v1)"),
        stop_seconds=timeout + mask_seconds,  # a streamed answer goes on as long as the upstream speaks
        date=False,
    )


def fetch_limits(
    allow_fetch: list[str] | None, no_fetch: bool, fetch_seconds: float, max_megabytes: int
) -> FetchLimits:
    """Build the limits on pictures from the web that the options mean.

    Raises:
        OptionError: what `--allow-fetch` names is no host and no network.
    """
    from ivm.serving.fetching import FetchLimits
    from ivm.serving.fetching_address import Allowed

    allowed = Allowed.parse(allow_fetch or ())
    return FetchLimits(max_bytes=max_megabytes << 20, seconds=fetch_seconds, allowed=allowed, remote=not no_fetch)
