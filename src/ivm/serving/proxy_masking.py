"""Masks the pictures of a chat request: the core that the proxy and the LiteLLM hook share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from ivm.core.errors import (
    ImageTooLargeError,
    InputError,
    InstructionError,
    IvmError,
    ModelError,
    OptionError,
    OutputError,
)
from ivm.core.instruction import MAX_WORDS
from ivm.masking import MaskResult
from ivm.serving.engine import Engine
from ivm.serving.fetching import PictureFetcher
from ivm.serving.outputs import Format, data_url
from ivm.serving.proxy_chat import Change, first_words, read_chat
from ivm.serving.proxy_options import MaskOptions

UNCHANGED = Change()
MAX_PICTURES = 16
"""Pictures of one request."""

MAX_MASKED = 128 << 20
"""Bytes of all masked pictures of one request, as data URLs."""

_AT_ONCE = 4
"""Pictures of one request that are worked on at a time, because a decoded one may be large."""


class PictureRefusedError(InputError):
    """A picture of a request cannot be masked; `param` names it, `reason` says why."""

    def __init__(self, param: str, reason: IvmError) -> None:
        super().__init__(f"The picture {param} cannot be masked: {reason}")
        self.param = param
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture."""

    word: Literal["masked", "kept-whole", "passed"]
    change: Change = UNCHANGED
    found: float | None = None
    """The model's probability that what is asked for is in it."""
    error: str | None = None
    """Why it passed."""

    def __str__(self) -> str:
        """As in the header X-IVM-Pictures: a token and its parameters (RFC 8941)."""
        parts = [self.word, f"found={self.found:.2f}" if self.found is not None else "", f"error={self.error or ''}"]
        return ";".join(part for part in parts if part and part != "error=")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a request's pictures."""

    outcomes: Sequence[Outcome]
    """One per picture, in order."""
    cut: bool = False
    """The instruction was longer than a model can be asked, and only its beginning was used."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that tell about it in the answer."""
        told = [(b"x-ivm-pictures", ", ".join(map(str, self.outcomes)).encode())]
        return [*told, (b"x-ivm-instruction-cut", str(MAX_WORDS).encode())] if self.cut else told


class PictureMasker:
    """Masks pictures that come as addresses and gives back addresses, data URLs."""

    def __init__(self, engine: Engine, fetcher: PictureFetcher, max_pictures: int = MAX_PICTURES) -> None:
        self.engine = engine
        self.fetcher = fetcher
        self.max_pictures = max_pictures
        self._fetching = asyncio.Semaphore(engine.settings.max_batch)

    async def mask_body(self, body: bytes, options: MaskOptions) -> tuple[bytes, Report | None]:
        """Mask the pictures in the body of a chat request.

        Returns:
            The body in which only pictures have changed, and what became of them; the same body and None where it
            holds no picture, or is not JSON, which is for the upstream to say.

        Raises:
            PictureRefusedError: a picture cannot be masked, and the options do not let it pass.
            OptionError, ImageTooLargeError: too many pictures, or too large ones when masked.
            EngineBusyError, DeadlineError: too much else is being masked.
        """
        try:
            chat = await asyncio.to_thread(read_chat, body)
        except ValueError:
            return body, None
        if not chat.pictures:
            return body, None
        pictures = [(picture.path, picture.url) for picture in chat.pictures]
        report = await self.mask_all(pictures, options, chat.instruction)
        if all(outcome.change == UNCHANGED for outcome in report.outcomes):
            return body, report
        changes = [outcome.change for outcome in report.outcomes]
        return (await asyncio.to_thread(chat.with_pictures, changes)).encode("utf-8"), report

    async def mask_all(
        self, pictures: Sequence[tuple[str, str]], options: MaskOptions, user_text: str | None
    ) -> Report:
        """Mask pictures, the same one once only.

        Args:
            pictures: name, for errors, and address of each.
            options: their `instruction` goes before the user's text.
            user_text: what the user asks.

        Raises:
            PictureRefusedError, InputError, EngineBusyError, DeadlineError: as `mask_body` does.
        """
        if len(pictures) > self.max_pictures:
            raise OptionError(f"The request holds {len(pictures)} pictures, {self.max_pictures} at most: send fewer")
        try:
            instruction, cut = _instruction(options, user_text)
        except InstructionError as error:
            return Report([_failed(options, path, error) for path, _ in pictures])
        names: dict[str, str] = {}
        for path, url in pictures:
            names.setdefault(url, path)
        gate = asyncio.Semaphore(_AT_ONCE)
        async with self.engine.admit():
            outcomes = await _together(self._one(path, url, instruction, options, gate) for url, path in names.items())
        if sum(len(url) for outcome in outcomes for url in outcome.change if url) > MAX_MASKED:
            raise ImageTooLargeError(
                f"The masked pictures have more than {MAX_MASKED:,} bytes: send fewer or smaller ones, or the header "
                "X-IVM-Format: webp"
            )
        by_url = dict(zip(names, outcomes, strict=True))
        return Report([by_url[url] for _, url in pictures], cut)

    async def _one(
        self, path: str, url: str, instruction: str, options: MaskOptions, gate: asyncio.Semaphore
    ) -> Outcome:
        try:
            async with gate:
                result = await self._result(url, instruction, options)
                if result.kept_whole:
                    return Outcome("kept-whole", found=result.found)
                form = cast("Format", options.format)
                masked = await self.engine.work(lambda: data_url(options.render(result), form))
        except (InputError, ModelError, OutputError) as error:
            return _failed(options, path, error)
        change = Change(beside=masked) if options.mode == "original+crop" else Change(instead=masked)
        return Outcome("masked", change, result.found)

    async def _result(self, url: str, instruction: str, options: MaskOptions) -> MaskResult:
        # Data URLs do not wait for the web.
        async with self._fetching if url[:5].lower() != "data:" else contextlib.nullcontext():
            data = await self.fetcher.fetch(url)
        image = await self.engine.load(data)
        async with self.engine.hold(image.nbytes):
            (result,) = await self.engine.mask(image, [instruction], threshold=options.threshold, **options.more)
        return result


def _instruction(options: MaskOptions, user_text: str | None) -> tuple[str, bool]:
    if options.instruction is not None:
        return first_words(options.instruction)
    if user_text is None:
        raise InstructionError("No message of a user holds text that says what to keep: send X-IVM-Instruction")
    return first_words(user_text)


def _failed(options: MaskOptions, path: str, error: IvmError) -> Outcome:
    if options.on_error == "refuse":
        raise PictureRefusedError(path, error) from error
    return Outcome("passed", error=type(error).__name__)


async def _together(ways: Iterable[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
    """Wait for all; where one fails the others are stopped, and the first failure in order is raised."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
