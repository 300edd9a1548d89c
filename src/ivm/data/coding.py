"""Pictures and masks as bytes: decoded when somebody looks, quick for what fills a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import ImageTruncatedError, RecordError
from ivm.core.images import load_image
from ivm.core.model import RGBImage
from ivm.masking.rle import Rle, decode_rle, encode_rle

Mask: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8, how much each pixel is needed: 0 not at all, 255 fully."""

MaskKind = Literal["png", "rle", "original"]
"""How a mask is kept: a grey PNG, COCO's run lengths (0 and 255 only), or the original's grey picture, which is scaled
when it is decoded (`scaled_as_original`)."""

GAIN = 1.5
"""The factor by which the original brightens a mask, saturating at 255."""

JPEG_QUALITY = 95
_START_OF_FRAME = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive JPEG, which every decoder here reads to the same pixels."""


@dataclass(frozen=True, slots=True)
class MaskCode:
    """A mask as it is kept."""

    kind: MaskKind
    data: bytes | Rle
    """A whole file's bytes for "png" and "original", the run lengths for "rle"."""

    def decode(self) -> Mask:
        """Return the mask, (H, W) uint8, a new array.

        Raises:
            RecordError: the bytes are not such a mask.
        """
        if isinstance(self.data, dict):
            return decode_rle(self.data).view(np.uint8) * np.uint8(255)
        grey = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_GRAYSCALE) if self.data else None
        if grey is None:
            raise RecordError("the mask's bytes are not a picture: write it as a grey PNG, or copy it again")
        pixels: Mask = np.asarray(grey, np.uint8)
        return scaled_as_original(pixels) if self.kind == "original" else pixels


def encode_mask(mask: Mask, *, runs: bool = True) -> MaskCode:
    """Keep a mask without loss.

    Args:
        mask: (H, W) uint8.
        runs: as run lengths where it holds 0 and 255 only, which is smaller and decodes several times as fast.
    """
    needed = mask == 255
    if runs and bool((needed | (mask == 0)).all()):
        return MaskCode("rle", encode_rle(needed))
    return MaskCode("png", encode_pixels("png", mask))


def scaled_as_original(grey: NDArray[np.uint8]) -> Mask:
    """Read the grey values of an original mask file as that reader means them.

    They are brightened by 1.5 up to 255, then stretched so that the least becomes 0 and the greatest 255. A constant
    mask has nothing to stretch: black stays black, where the original divides by zero, and anything else is all needed.

    Args:
        grey: (H, W) uint8.

    Returns:
        (H, W) uint8.
    """
    low, high = int(grey.min()), int(grey.max())
    if low == high:
        return np.full(grey.shape, 255 if high else 0, np.uint8)
    bright = np.minimum(np.arange(256, dtype=np.float32) * np.float32(GAIN), 255)
    low_bright, span = bright[low], bright[high] - bright[low]
    if span == 0:  # all values saturate
        return np.full(grey.shape, 255, np.uint8)
    table = np.rint(np.clip((bright - low_bright) / span, 0, 1) * 255).astype(np.uint8)
    scaled: Mask = np.asarray(cv2.LUT(grey, table), np.uint8)
    return scaled


def decode_picture(data: bytes) -> RGBImage:
    """Decode a picture's file, (H, W, 3) uint8 RGB; the pixels are those of `load_image`.

    Plain JPEG goes through OpenCV, which takes 0.6 of Pillow's time for the same pixels.

    Raises:
        ImageError: the bytes are not a whole picture.
    """
    if not _plain_jpeg(data):
        return load_image(data)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise ImageTruncatedError("The picture is cut short or damaged: copy or download it again")
    image: RGBImage = np.asarray(pixels, np.uint8)
    return image


def encode_picture(image: RGBImage, kind: Literal["jpg", "png"] = "jpg") -> bytes:
    """Encode pixels, (H, W, 3) uint8 RGB, as JPEG of quality 95 or as PNG."""
    bgr = np.ascontiguousarray(image[..., ::-1])
    return encode_pixels(kind, bgr)


def picture_kind(data: bytes) -> str:
    """The usual ending of a picture's file by its first bytes: "jpg", "png", or "img" for any other."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    return "png" if data.startswith(b"\x89PNG") else "img"


def encode_pixels(kind: Literal["jpg", "png"], pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W) grey or (H, W, 3) BGR, uint8, as JPEG of quality 95 or as PNG."""
    done, code = cv2.imencode(f".{kind}", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == "jpg" else [])
    assert done, "an array of uint8 can be encoded"
    return code.tobytes()


def _plain_jpeg(data: bytes) -> bool:
    """Whether this is a whole JPEG of one or three colours that needs no turning.

    Read from its segments up to the frame's; anything unusual is left to the slower reader, which tells what is wrong.
    """
    # Some versions of OpenCV decode what there is of a cut file without a word: its end must be there.
    if not data.startswith(b"\xff\xd8\xff") or b"\xff\xd9" not in data[-64:]:
        return False
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xE1 and data[place + 4 : place + 8] == b"Exif":
            return False
        if marker in _START_OF_FRAME:
            return data[place + 4] == 8 and data[place + 9] in (1, 3)
        place += 2 + length
    return False
