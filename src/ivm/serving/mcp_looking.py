"""An agent's closer look: pictures by path or address, read by the model once and asked often."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from ivm.core.errors import OptionError, SessionGoneError
from ivm.inference.masker import result_of
from ivm.masking import MaskResult
from ivm.masking.boxes import crop
from ivm.serving.batching import Encoded
from ivm.serving.engine import Engine
from ivm.serving.fetching import PictureFetcher
from ivm.serving.mcp_files import Folders, read_file
from ivm.serving.outputs import Picture, encode_picture, render
from ivm.serving.sessions import Session, SessionStore

STYLES: tuple[Picture, ...] = ("highlight", "blur", "gray", "inpaint", "heatmap")
"""Masked pictures that an agent can ask for."""

_REMEMBERED = 256
"""Names whose sessions are remembered; a session itself is bounded by its store."""


class Looker:
    """Opens pictures and asks about them."""

    def __init__(
        self, engine: Engine, folders: Folders, fetcher: PictureFetcher, store: SessionStore, max_side: int = 1568
    ) -> None:
        """Take what is needed.

        Args:
            engine: asks the model.
            folders: where files are read from.
            fetcher: reads web addresses and data URLs.
            store: keeps what the model has read.
            max_side: pixels of the longer side of a picture that goes to the agent.

        Raises:
            OptionError: `max_side` is below 32.
        """
        if max_side < 32:
            raise OptionError(f"Pictures need at least 32 pixels a side, not {max_side}")
        self.engine = engine
        self._folders = folders
        self._fetcher = fetcher
        self._store = store
        self._max_side = max_side
        self._sessions: OrderedDict[tuple[object, ...], str] = OrderedDict()

    async def look(self, image: str, instruction: str, threshold: float = 0.5) -> MaskResult:
        """Ask about a picture; the model reads it when it is named for the first time, or has changed.

        Args:
            image: a path, an http(s) address or a data URL.
            instruction: what to keep.
            threshold: in [0, 1].

        Raises:
            ImageError: it cannot be read.
            InputError: the instruction or the threshold cannot be used.
            ModelError: the model failed.
            EngineBusyError, DeadlineError: too much else is asked.
        """
        async with self.engine.admit():
            session = await self._session(image)
            (answer,) = await session.ask(self.engine, [instruction])
            self._store.fit()
            seen = session.encoded.image
            return await self.engine.work(lambda: result_of(seen, answer, threshold, {}))

    async def picture(self, result: MaskResult, style: str) -> bytes:
        """Render a masked picture of a result, one of `STYLES`, as PNG.

        Raises:
            OptionError: there is no such style.
        """
        if style not in STYLES:
            raise OptionError(f"The style is {' or '.join(STYLES)}, not {style!r}")
        return await self.engine.work(lambda: self._file(render(result, style)))

    async def cropped(self, result: MaskResult, *, masked: bool, margin: float) -> bytes:
        """Render what is kept as PNG, unmasked or on white, with some of what is around it.

        Args:
            result: of `look`.
            masked: whether all else is white.
            margin: what is added on each side, as a share of the box's own sides, from 0 to 4.

        Raises:
            OptionError: the margin is outside its range.
        """
        if not 0 <= margin <= 4:
            raise OptionError(f"The margin is a share of the box from 0 to 4, not {margin:g}")
        x0, y0, x1, y1 = result.bbox
        height, width = result.image.shape[:2]
        wide, high = round((x1 - x0) * margin), round((y1 - y0) * margin)
        box = (max(0, x0 - wide), max(0, y0 - high), min(width, x1 + wide), min(height, y1 + high))
        return await self.engine.work(lambda: self._file(crop(result.highlight_image if masked else result.image, box)))

    async def cut_out(self, result: MaskResult) -> bytes:
        """Render what is kept as PNG, all else transparent."""
        return await self.engine.work(lambda: self._file(render(result, "cutout")))

    async def _session(self, image: str) -> Session:
        """The session of a picture, new where there is none."""
        path = None
        if not image.lower().startswith(("http://", "https://", "data:")):
            path = await asyncio.to_thread(self._folders.locate, image)
        # A file that was written anew is another picture; what lies behind an address is taken to stay.
        about = None if path is None else path.stat()
        key = (image,) if about is None else (path, about.st_mtime_ns, about.st_size)
        if key in self._sessions:
            try:
                return self._store.get(self._sessions[key])
            except SessionGoneError:
                del self._sessions[key]
        if path is None:
            data = await self._fetcher.fetch(image)
        else:
            data = await asyncio.to_thread(read_file, path, self.engine.settings.max_bytes)
        session = self._store.open(await self._encoded(data))
        self._sessions[key] = session.id
        while len(self._sessions) > _REMEMBERED:
            self._sessions.popitem(last=False)
        return session

    async def _encoded(self, data: bytes) -> Encoded:
        pixels = await self.engine.load(data)
        async with self.engine.hold(pixels.nbytes):
            return await self.engine.encode(pixels)

    def _file(self, pixels: Any) -> bytes:
        """Encode a picture as PNG, made smaller where it has more pixels a side than an agent should get."""
        import cv2

        scale = self._max_side / max(pixels.shape[:2])
        if scale < 1:
            size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return encode_picture(pixels, "png")


def described(result: MaskResult) -> dict[str, Any]:
    """What an agent needs to know of a result in numbers; boxes are pixels (x0, y0, x1, y1), half-open."""
    about = result.summary()
    names = ("width", "height", "found", "kept_whole", "target_bbox", "bbox", "coverage")
    return {name: about[name] for name in names}
