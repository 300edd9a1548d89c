"""The MCP server: tools that let an agent look closer at pictures (modelcontextprotocol.io), on the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette

from ivm import __version__
from ivm.core.errors import IvmError
from ivm.masking import MaskResult
from ivm.serving.guard import Guard
from ivm.serving.mcp_looking import Looker, described
from ivm.serving.settings import HttpSettings

ABOUT = (
    "Looks closer at pictures: says where something is, cuts it out, or hides all else. An image is a path in the open "
    "folders, an http(s) address or a data URL; asking about the same one again is cheap. An instruction names what to "
    "keep or the task that needs it: 'the red cup', 'pick up the red cup'. Where nothing is found, the whole picture "
    "comes back and kept_whole is true."
)

Picture = Annotated[str, Field(description="Path in the open folders, http(s) address, or data URL of a picture.")]
Instruction = Annotated[str, Field(description="What to keep, or the task that needs it; at most 64 words.")]
Threshold = Annotated[float, Field(description="From 0 to 1: what the heatmap gives more is kept.", ge=0, le=1)]

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True)


def create_mcp(looker: Looker) -> MCPServer[Any]:
    """Build the server; while it runs, so does the engine of `looker`."""

    @asynccontextmanager
    async def lifespan(server: MCPServer[Any]) -> AsyncIterator[None]:
        async with looker.engine:
            yield

    server: MCPServer[Any] = MCPServer(
        "ivm", instructions=ABOUT, version=__version__, lifespan=lifespan, log_level="ERROR"
    )
    _add_tools(server, looker)
    return server


def http_app(server: MCPServer[Any], looker: Looker, http: HttpSettings) -> Starlette:
    """Return the server as an ASGI app with its tools at /mcp, guarded as the HTTP API is."""
    app = server.streamable_http_app(
        max_request_body_size=http.max_body,
        # The guard judges hosts and origins, for all of this project's servers in the same way.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.state.stopping = False
    app.add_middleware(Guard, engine=looker.engine, settings=http, open_paths=())
    return app


def _add_tools(server: MCPServer[Any], looker: Looker) -> None:
    def tool(title: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return server.tool(title=title, annotations=_READS, structured_output=False)

    @server.tool(title="Find something", annotations=_READS, structured_output=True)
    async def find(image: Picture, instruction: Instruction, threshold: Threshold = 0.5) -> dict[str, Any]:
        """Say where something is: target_bbox (x0, y0, x1, y1) in pixels, and the probability `found` that it is there.

        bbox is the box with a soft edge around it, which crop and cut_out use; coverage the share of the picture.
        """
        with _tool_errors():
            return described(await looker.look(image, instruction, threshold))

    @tool("Mask all else")
    async def mask(
        image: Picture,
        instruction: Instruction,
        style: Annotated[
            str, Field(description="highlight (all else white), blur, gray, inpaint (other things gone) or heatmap.")
        ] = "highlight",
        threshold: Threshold = 0.5,
    ) -> list[Any]:
        """Return the picture with everything hidden that the instruction does not need."""
        with _tool_errors():
            result = await looker.look(image, instruction, threshold)
            return _answer(result, await looker.picture(result, style))

    @tool("Crop to something")
    async def crop(
        image: Picture,
        instruction: Instruction,
        margin: Annotated[float, Field(description="Added on each side, as a share of the box; 0 to 4.")] = 0.1,
        masked: Annotated[bool, Field(description="Whether all else inside the crop is white.")] = False,
        threshold: Threshold = 0.5,
    ) -> list[Any]:
        """Return the part of the picture that holds what the instruction needs, at full resolution: a closer look."""
        with _tool_errors():
            result = await looker.look(image, instruction, threshold)
            return _answer(result, await looker.cropped(result, masked=masked, margin=margin))

    @tool("Cut something out")
    async def cut_out(image: Picture, instruction: Instruction, threshold: Threshold = 0.5) -> list[Any]:
        """Return what the instruction needs on a transparent ground, cropped to it."""
        with _tool_errors():
            result = await looker.look(image, instruction, threshold)
            return _answer(result, await looker.cut_out(result))


@contextmanager
def _tool_errors() -> Iterator[None]:
    """Give the agent the sentence of an error: most are its own to mend."""
    try:
        yield
    except IvmError as error:
        raise ToolError(str(error)) from error


def _answer(result: MaskResult, png: bytes) -> list[Any]:
    about = described(result)
    found = "unknown" if result.found is None else f"{result.found:.2f}"
    words = (
        f"Nothing found (probability {found}): this is the whole picture."
        if result.kept_whole
        else f"Found with probability {found} at {about['target_bbox']} of {about['width']} x {about['height']} pixels."
    )
    return [words, Image(data=png, format="png")]
