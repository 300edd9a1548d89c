"""Pictures from strangers: limits on their bytes before anything is decoded, on their pixels by the header alone."""

from __future__ import annotations

import base64
import binascii
import re

from ivm.core.errors import ImageFormatError, ImageTooLargeError, ImageTruncatedError, IvmError
from ivm.core.images import load_image
from ivm.core.model import RGBImage
from ivm.serving.settings import EngineSettings

_DATA_URL = re.compile(r"data:(image/[\w.+-]+)?(;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE)


def load_untrusted(data: bytes, settings: EngineSettings) -> RGBImage:
    """Decode a picture's file within the limits.

    Returns:
        (H, W, 3) uint8 RGB, read-only.

    Raises:
        ImageTooLargeError: more bytes or pixels than the settings allow.
        ImageError: it is no picture, or damaged.
    """
    if len(data) > settings.max_bytes:
        raise too_many_bytes(settings.max_bytes)
    try:
        image = load_image(bytes(data), max_pixels=settings.max_pixels)
    except IvmError:
        raise
    except Exception as error:  # whatever a decoder trips over in strangers' bytes is the bytes' fault
        raise ImageTruncatedError(f"The picture cannot be decoded ({type(error).__name__}): it is damaged") from error
    image.setflags(write=False)
    return image


def decode_text(text: str, max_bytes: int) -> bytes:
    """Decode a picture that came as base64, plain or as a `data:` URL, into its file's bytes.

    Raises:
        ImageTooLargeError: more than `max_bytes`; told from the length, before it is decoded.
        ImageFormatError: not base64, or a data URL of another kind.
    """
    start = 0
    if text[:5].lower() == "data:":
        head = _DATA_URL.match(text[:256])
        if head is None:
            raise ImageFormatError(
                "The data URL is not one of a picture in base64: begin it with data:image/png;base64,"
            )
        start = head.end()
    if (len(text) - start) * 3 // 4 - 2 > max_bytes:
        raise too_many_bytes(max_bytes)
    try:
        return base64.b64decode(text[start:].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ImageFormatError(
            "The picture is not base64: encode its file, or send it as multipart/form-data"
        ) from None


def too_many_bytes(max_bytes: int) -> ImageTooLargeError:
    """Return the error for a picture's file that has too many bytes."""
    return ImageTooLargeError(f"The picture's file has more than {max_bytes:,} bytes: make it smaller")
