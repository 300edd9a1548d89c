"""The engine: many callers of an asyncio program, one model. The API, the page, the proxy and the MCP server share it.

    async with Engine(ivm.load()) as engine:
        async with engine.admit():  # EngineBusyError at once where as much is waiting as may wait
            image = await engine.load(data)
            results = await engine.mask(image, ["the red cup", "the pan"], threshold=0.4)
            pixels = await engine.work(lambda: results[0].highlight_image)

A caller takes a place with `admit`, which also sets the time that he has; everything in that block works in threads,
so that the event loop stays free: the model in one, decoding and rendering in as many as there are cores.
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import numpy as np

from ivm.core.errors import DeadlineError, EngineBusyError
from ivm.core.instruction import check_instruction
from ivm.core.machine import available_cores
from ivm.core.model import RGBImage
from ivm.inference.masker import Masker, check_style, result_of
from ivm.inference.pairs import load_frozen
from ivm.inference.seam import Answer
from ivm.masking import MaskResult
from ivm.serving.batching import Answered, Batcher, Encoded, Job
from ivm.serving.pictures import load_untrusted
from ivm.serving.settings import EngineCounts, EngineSettings

T = TypeVar("T")
_LONGEST_RETRY = 60
_SMOOTHING = 0.1


class Engine:
    """Answers questions of many callers with one `Masker`; use it as `async with`, inside one event loop."""

    def __init__(self, masker: Masker, settings: EngineSettings | None = None) -> None:
        self.masker = masker
        self.settings = settings or EngineSettings()
        self.counts = EngineCounts()
        self.observe_batch: Callable[[int, float], None] | None = None
        """Told the questions and seconds of each batch, in the model's thread."""
        self._in_flight = 0
        self._held = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._request_seconds = 0.0
        self._threads = ThreadPoolExecutor(available_cores(), thread_name_prefix="ivm-serve")
        self._batcher = Batcher(
            masker.model,
            max_batch=self.settings.max_batch,
            max_delay=self.settings.max_delay,
            expected=lambda: self._in_flight,
            observe=self._observe,
        )

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the model's thread, and ask it once, so that the first caller does not wait longer than others.

        Raises:
            ModelError: the model fails even on a grey picture.
        """
        self._batcher.start()
        blank = np.full((64, 64, 3), 128, np.uint8)
        await self.ask(blank, ["the cup"])
        self.counts = EngineCounts()

    @property
    def ready(self) -> bool:
        """Whether a request would be worked on: the model's thread is alive and the engine not stopping."""
        return self._batcher.alive and not self._draining

    @property
    def in_flight(self) -> int:
        """Requests that have a place now."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Jobs that wait for the model, about."""
        return self._batcher.waiting

    @property
    def retry_after(self) -> int:
        """Seconds that a request takes of late, from 1 to 60: after that those who have a place now are answered."""
        return max(1, min(_LONGEST_RETRY, math.ceil(self._request_seconds)))

    @asynccontextmanager
    async def admit(self, *, timeout: float | None = None) -> AsyncIterator[None]:
        """Take a place for one request, and set the time that its block may take.

        Args:
            timeout: seconds; the settings' own by default.

        Raises:
            EngineBusyError: all places are taken, or the engine is stopping.
            DeadlineError: the block took longer.
        """
        self.check_room()
        seconds = timeout or self.settings.timeout
        started = time.monotonic()
        self.counts.accepted += 1
        self._in_flight += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(seconds) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            self.counts.timed_out += 1
            raise DeadlineError(
                f"The answer was not ready within {seconds:g} s: ask for less at once, or try again later"
            ) from None
        finally:
            self.counts.finished += 1
            self._in_flight -= 1
            self._request_seconds += _SMOOTHING * (time.monotonic() - started - self._request_seconds)
            if not self._in_flight:
                self._idle.set()

    def check_room(self) -> None:
        """Raise `EngineBusyError` where `admit` would."""
        if self._draining:
            self.counts.refused += 1
            raise EngineBusyError(
                "The server is stopping and takes no more requests: ask another one, or try again in a moment",
                retry_after=self.retry_after,
                stopping=True,
            )
        if self._in_flight >= self.settings.max_requests:
            raise self._busy(f"The server has all its {self.settings.max_requests} places taken")

    async def load(self, data: bytes) -> RGBImage:
        """Decode an untrusted picture's file in a thread; see `ivm.core.images.load_image`.

        Returns:
            (H, W, 3) uint8 RGB, read-only.

        Raises:
            ImageError: it is no picture, damaged, or has more bytes or pixels than the settings allow.
        """
        return await self.work(functools.partial(load_untrusted, data, self.settings))

    @asynccontextmanager
    async def hold(self, nbytes: int) -> AsyncIterator[None]:
        """Count bytes of decoded pictures against the memory that all requests share.

        Raises:
            EngineBusyError: others hold so much that this is too much.
        """
        if self._held and self._held + nbytes > self.settings.max_memory:
            raise self._busy("The server holds as many pictures as its memory allows")
        self._held += nbytes
        try:
            yield
        finally:
            self._held -= nbytes

    async def encode(self, image: Any) -> Encoded:
        """Let the model read a picture, to ask about it often.

        Args:
            image: as in `ask`.

        Raises:
            ImageError: the picture cannot be used.
            ModelError: the model failed.
        """
        return (await self._submit(await self._picture(image), [])).encoded

    async def ask(self, picture: Any, instructions: Sequence[str]) -> list[Answer]:
        """Ask the model; what many callers ask at the same time goes through it together.

        Args:
            picture: what `encode` returned, or whatever `ivm.load_image` takes; a read-only uint8 array is taken to be
                (H, W, 3) RGB.
            instructions: any number.

        Returns:
            The model's logits and presence, one per instruction, in order.

        Raises:
            ImageError: the picture cannot be used.
            InstructionError: an instruction is empty or too long.
            ModelError: the model failed.
        """
        checked = [check_instruction(instruction) for instruction in instructions]
        if not checked:
            return []
        return (await self._submit(await self._picture(picture), checked)).answers

    async def mask(
        self, picture: Any, instructions: Sequence[str], *, threshold: float = 0.5, **style: Any
    ) -> list[MaskResult]:
        """Ask the model and build results; their pictures are rendered when asked for, which `work` does in a thread.

        Args:
            picture: as in `ask`.
            instructions: as in `ask`.
            threshold: in [0, 1].
            **style: the preset and its options, see `MaskResult.from_logits`.

        Raises:
            ImageError, InstructionError, ModelError: as in `ask`.
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a style has a value outside its range.
        """
        check_style(threshold, style)
        source = await self._picture(picture)
        answers = await self.ask(source, instructions)
        image = source.image if isinstance(source, Encoded) else source
        return await self.work(lambda: [result_of(image, answer, threshold, style) for answer in answers])

    async def work(self, action: Callable[[], T]) -> T:
        """Run something that takes time, such as decoding or rendering, in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, action)

    async def drain(self) -> None:
        """Refuse new requests and wait until every accepted one is finished."""
        self._draining = True
        await self._idle.wait()

    async def close(self) -> None:
        """Drain, then stop the threads."""
        await self.drain()
        await asyncio.get_running_loop().run_in_executor(None, self._batcher.stop)
        self._threads.shutdown(wait=True)

    async def _picture(self, picture: Any) -> RGBImage | Encoded:
        if isinstance(picture, Encoded):
            return picture
        if isinstance(picture, np.ndarray) and not picture.flags.writeable and picture.dtype == np.uint8:
            return picture
        return await self.work(functools.partial(load_frozen, picture))

    async def _submit(self, picture: RGBImage | Encoded, instructions: Sequence[str]) -> Answered:
        job = Job(picture=picture, instructions=instructions)
        return await asyncio.wrap_future(self._batcher.submit(job))

    def _busy(self, what: str) -> EngineBusyError:
        self.counts.refused += 1
        seconds = self.retry_after
        return EngineBusyError(f"{what}: ask again in {seconds} s", retry_after=seconds)

    def _observe(self, weight: int, seconds: float) -> None:
        self.counts.questions += weight
        if self.observe_batch is not None:
            self.observe_batch(weight, seconds)
