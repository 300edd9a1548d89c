"""Pairs of a picture and an instruction: from lists of the one or the other, and loaded ahead in chunks."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Generator, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ivm.core.errors import InputError, IvmError
from ivm.core.images import load_image
from ivm.core.instruction import check_instruction
from ivm.core.model import RGBImage

LOADING_THREADS = 4
"""Decoding lets other threads run, so loading hides behind the model even on two cores."""


class Question(NamedTuple):
    """A checked request."""

    image: RGBImage
    """(H, W, 3) uint8 RGB."""
    instruction: str
    """As `check_instruction` returned it."""
    key: Hashable
    """Equal for questions of one chunk about the same picture, which is then encoded once."""


def pair(images: Any, instructions: str | Sequence[str]) -> list[tuple[Any, str]]:
    """Pair pictures with instructions; a single one of either goes with all of the other.

    Args:
        images: one picture (path, bytes, PIL or (H, W, 3) array), a list of them, or an (N, H, W, 3) array.
        instructions: one or a list.

    Raises:
        InputError: two lists of different length.
    """
    many = isinstance(images, list | tuple) or (isinstance(images, np.ndarray) and images.ndim == 4)
    if not many and hasattr(images, "read"):
        images = images.read()  # a file can be read only once, its bytes for every instruction
    if not many:
        return [(images, text) for text in ([instructions] if isinstance(instructions, str) else instructions)]
    if isinstance(instructions, str):
        return [(image, instructions) for image in images]
    if len(images) != len(instructions):
        raise InputError(
            f"{len(images)} images do not go with {len(instructions)} instructions: give as many, or one for all"
        )
    return list(zip(images, instructions, strict=True))


def load_chunks(
    pairs: Iterable[tuple[Any, str]], size: int, *, ahead: bool = True
) -> Generator[list[Question | IvmError], None, None]:
    """Load pictures in worker threads and check instructions, a chunk at a time.

    Args:
        pairs: (picture, instruction); read lazily.
        size: pairs per chunk, at least 1.
        ahead: load the next chunk while the caller works on this one; a live source is better read in step.

    Yields:
        One question or the error that it met, per pair and in order.
    """
    source = iter(pairs)
    waiting: deque[_Chunk] = deque()
    with ThreadPoolExecutor(min(LOADING_THREADS, size), thread_name_prefix="ivm-load") as pool:
        try:
            while chunk := list(itertools.islice(source, size)):
                waiting.append(_Chunk(pool, chunk))
                if len(waiting) > int(ahead):
                    yield waiting.popleft().questions()
            while waiting:
                yield waiting.popleft().questions()
        finally:
            pool.shutdown(cancel_futures=True)


class _Chunk:
    """Pairs whose pictures are being loaded, each picture once."""

    def __init__(self, pool: ThreadPoolExecutor, pairs: list[tuple[Any, str]]) -> None:
        self._pairs = pairs
        self._images: dict[Hashable, Future[RGBImage]] = {}
        for image, _ in pairs:
            if (key := _key(image)) not in self._images:
                self._images[key] = pool.submit(load_frozen, image)

    def questions(self) -> list[Question | IvmError]:
        """Wait for the pictures."""
        return [self._question(image, instruction) for image, instruction in self._pairs]

    def _question(self, image: Any, instruction: str) -> Question | IvmError:
        key = _key(image)
        try:
            return Question(self._images[key].result(), check_instruction(instruction), key)
        except IvmError as error:
            return error


def load_frozen(image: Any) -> RGBImage:
    """Load a picture read-only, so that `MaskResult` need not copy it.

    Raises:
        ImageError: it cannot be used.
    """
    pixels = load_image(image)
    pixels.setflags(write=False)
    return pixels


def _key(image: Any) -> Hashable:
    """Paths are the same picture when they are equal, all else only when it is one object."""
    return str(image) if isinstance(image, str | os.PathLike) else id(image)
