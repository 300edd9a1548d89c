"""What is asked: messages as the protocol has them, with pictures inside as data URLs."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import cv2
import numpy as np

from ivm.core.errors import ImageFormatError, OptionError
from ivm.core.model import RGBImage
from ivm.lmm.answers import TokenUsage

Message = dict[str, Any]
"""`{"role": ..., "content": ...}`; any message of the protocol may be written by hand as well."""

Part = dict[str, Any]
"""A piece of a message's content: text or a picture."""

PictureKind = Literal["jpg", "png"]
Detail = Literal["auto", "low", "high"]

_MIME = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif", b"RIFF": "image/webp"}
_CHARACTERS_A_TOKEN = 3
"""Fewer than English has on average, so that a count from it is rather too high."""
_PATCH = 28
"""Side in pixels of what one token shows in Qwen2.5-VL (arXiv 2502.13923, section 2.1); others are coarser."""
_UNSEEN_PICTURE = 1500
"""Tokens that a picture behind a web address is taken for."""


def system(text: str) -> Message:
    """What the model is told before the question."""
    return {"role": "system", "content": text}


def user(*parts: str | Part) -> Message:
    """A question of texts and pictures, in order; a single text stays a plain string, which every server reads."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return {"role": "user", "content": parts[0]}
    return {
        "role": "user",
        "content": [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts],
    }


def assistant(text: str) -> Message:
    """What the model said before."""
    return {"role": "assistant", "content": text}


def picture(
    image: RGBImage, *, kind: PictureKind = "jpg", quality: int = 90, longest: int | None = None,
    detail: Detail | None = None,
) -> Part:  # fmt: skip
    """A picture as a part of a message.

    Args:
        image: (H, W, 3) uint8 RGB.
        kind: "jpg" is smaller, "png" exact.
        quality: of JPEG, 1 to 100.
        longest: a picture whose longer side has more pixels is made smaller to this; None leaves it.
        detail: what OpenAI's servers are told about how closely to look; None leaves it out.

    Raises:
        ImageFormatError: the array is not (H, W, 3) uint8.
        OptionError: an option is outside its range.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ImageFormatError(f"A picture for a model must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}")
    if kind not in ("jpg", "png") or not 1 <= quality <= 100 or (longest is not None and longest < 1):
        raise OptionError(
            f"A picture is sent as 'jpg' or 'png', of quality 1 to 100, at least one pixel long, not as "
            f"kind={kind!r}, quality={quality!r}, longest={longest!r}"
        )
    bgr = np.ascontiguousarray(image[..., ::-1])
    if longest is not None and max(image.shape[:2]) > longest:
        scale = longest / max(image.shape[:2])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, code = cv2.imencode(f".{kind}", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpg" else [])
    assert done, "an array of uint8 can be encoded"
    return picture_file(code.tobytes(), detail=detail)


def picture_file(data: bytes, *, detail: Detail | None = None) -> Part:
    """The bytes of a picture's file as a part of a message, sent as they are.

    Raises:
        ImageFormatError: they are not JPEG, PNG, GIF or WebP, which is what servers read.
    """
    mime = next((name for start, name in _MIME.items() if data.startswith(start)), None)
    if mime is None:
        raise ImageFormatError("Models are sent JPEG, PNG, GIF or WebP: decode the picture and pass its array")
    url = {"url": f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"}
    return {"type": "image_url", "image_url": {**url, "detail": detail} if detail else url}


def estimated_tokens(messages: Sequence[Message]) -> int:
    """About how many tokens a server will count for messages, rather more than fewer."""
    return sum(8 + _part_tokens(part) for message in messages for part in _parts(message))


def counted(messages: Sequence[Message], text: str) -> TokenUsage:
    """Estimated tokens of a question and its answer, for a server that does not count."""
    return TokenUsage(prompt=estimated_tokens(messages), completion=-(-len(text) // _CHARACTERS_A_TOKEN))


def _parts(message: Message) -> Iterator[Any]:
    content = message.get("content") or ""
    yield from [content] if isinstance(content, str) else content


def _part_tokens(part: Any) -> int:
    if isinstance(part, dict) and part.get("type") == "image_url":
        return _picture_tokens(str(part.get("image_url", {}).get("url", "")))
    text = part.get("text", "") if isinstance(part, dict) else part
    return -(-len(str(text)) // _CHARACTERS_A_TOKEN)


def _picture_tokens(url: str) -> int:
    from PIL import Image

    head, comma, data = url.partition(";base64,")
    if not comma or not head.startswith("data:"):
        return _UNSEEN_PICTURE
    try:
        with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
            width, height = shown.size
    except (OSError, ValueError):
        return _UNSEEN_PICTURE
    return max(85, -(-width // _PATCH) * -(-height // _PATCH))
