"""A question of a benchmark, whatever its files look like."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from ivm.core.errors import ImageFormatError, ImageNotFoundError
from ivm.masking.boxes import Box

Scoring: TypeAlias = Literal["letter", "yes-no", "exact", "words", "vqa"]
"""How an answer is scored: "letter" of an option; "yes-no"; "exact" text (GQA); "words", the answer's words in the
reply (VisualProbe); "vqa", agreement with ten people (TextVQA)."""

LETTERS = "ABCDEFGHIJ"


class Picture(Protocol):
    """Where the bytes of a picture are; read when they are needed."""

    @property
    def key(self) -> str:
        """The same for the same picture."""
        ...

    def read(self) -> bytes:
        """The picture's file.

        Raises:
            ImageError: it is not there, or cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class FilePicture:
    """A picture in a file."""

    path: Path

    @property
    def key(self) -> str:
        """The path."""
        return str(self.path)

    def read(self) -> bytes:
        """See `Picture.read`."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ImageNotFoundError(
                f"The picture '{self.path}' cannot be read ({error.strerror}): copy it there"
            ) from None


@dataclass(frozen=True, slots=True)
class HeldPicture:
    """A picture in memory."""

    key: str
    data: bytes

    def read(self) -> bytes:
        """See `Picture.read`."""
        return self.data


def from_base64(text: str, where: str) -> bytes:
    """Decode a picture from a table's cell.

    Raises:
        ImageFormatError: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageFormatError(f"The picture of {where} is not base64: download the file again") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class VisualQuestion:
    """One question about one picture, with what counts as right."""

    id: str
    """Unique in its benchmark."""
    category: str
    picture: Picture
    question: str
    """Without options and without words on how to answer."""
    options: tuple[str, ...] = ()
    """Texts of the options A, B, ...; none for open questions."""
    answers: tuple[str, ...]
    """What is right: a letter, "yes" or "no", a text, or what ten people said."""
    scoring: Scoring
    boxes: tuple[Box, ...] = ()
    """Around what the question needs, half-open, in pixels; none where the benchmark has none."""
    targets: tuple[str, ...] = ()
    """Names of what the question needs, where the benchmark tells them."""

    @property
    def letters(self) -> str:
        """The letters of the options."""
        return LETTERS[: len(self.options)]
