"""Pictures from anywhere, as one kind of array: (H, W, 3) uint8 RGB, upright, opaque.

Only raster formats that Pillow decodes in-process are read, chosen by their first bytes and never by the file's name;
nothing that runs code (PostScript) or other programs is ever tried.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import (
    ImageEmptyError,
    ImageFormatError,
    ImageNotFoundError,
    ImageTooLargeError,
    ImageTruncatedError,
    OptionError,
)
from ivm.core.model import RGBImage

if TYPE_CHECKING:
    from PIL import Image, ImageFile

ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[Any]"
)
"""Whatever `load_image` reads."""

DEFAULT_MAX_PIXELS = 178_956_970
"""The size at which Pillow, too, refuses a picture: 512 MiB as RGB, larger than any camera's."""

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\xd8\xff", "JPEG", "JpegImagePlugin"),
    (b"\x89PNG\r\n\x1a\n", "PNG", "PngImagePlugin"),
    (b"RIFF????WEBP", "WEBP", "WebPImagePlugin"),
    (b"GIF87a", "GIF", "GifImagePlugin"),
    (b"GIF89a", "GIF", "GifImagePlugin"),
    (b"II*\x00", "TIFF", "TiffImagePlugin"),
    (b"MM\x00*", "TIFF", "TiffImagePlugin"),
    (b"II+\x00", "TIFF", "TiffImagePlugin"),
    (b"MM\x00+", "TIFF", "TiffImagePlugin"),
    (b"????ftypavi", "AVIF", "AvifImagePlugin"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000", "Jpeg2KImagePlugin"),
    (b"\xff\x4f\xff\x51", "JPEG2000", "Jpeg2KImagePlugin"),
    (b"qoif", "QOI", "QoiImagePlugin"),
    (b"BM", "BMP", "BmpImagePlugin"),
    *(
        (b"P%d" % kind + space, "PPM", "PpmImagePlugin")
        for kind in range(1, 7)
        for space in (b"\n", b"\r", b" ", b"\t")
    ),
)
"""First bytes ("?" stands for any), Pillow's name of the format, and Pillow's module that reads it."""

_READABLE = "JPEG, PNG, WebP, GIF, TIFF, AVIF, JPEG 2000, QOI, BMP or PNM"
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    RuntimeError,  # AVIF's
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged bytes."""

_ORIENTATION_TAG = 0x0112
_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})


def load_image(source: ImageSource, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> RGBImage:
    """Read a picture, turn it upright by its EXIF orientation and flatten it to RGB.

    Transparency (an alpha channel, or a transparent colour) is laid on white. 16-bit pictures are scaled to 8 bit
    (65535 becomes 255); Pillow's mode "I" counts as 16-bit, because that is how Pillow hands out 16-bit files. Of an
    animation the first frame is read. Colour profiles are not applied.

    Args:
        source: a path; the bytes of a file; a binary file object, read from where it stands; a Pillow picture, left
            unchanged; or an array (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA of dtype uint8, uint16, bool, or
            float with values in [0, 1] only.
        max_pixels: the largest width times height that is decoded; checked on the header alone.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous, a new array that shares no memory with `source`.

    Raises:
        ImageNotFoundError: no file at that path, or it cannot be opened.
        ImageFormatError: a folder, not a picture, or an array of another shape, dtype or range.
        ImageTruncatedError: the file is cut short or damaged.
        ImageEmptyError: no byte, or no pixel.
        ImageTooLargeError: more than `max_pixels` pixels.
        OptionError: `max_pixels` is not a positive whole number.
    """
    if isinstance(max_pixels, bool) or not isinstance(max_pixels, int) or max_pixels < 1:
        raise OptionError(f"max_pixels must be a positive whole number, not {max_pixels!r}")
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, str | os.PathLike):
        with _opened(source) as file:
            return _from_file(file, _quoted(source), max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_file(io.BytesIO(source), "The picture given as bytes", max_pixels)

    from PIL import Image

    if isinstance(source, Image.Image):
        return _from_pillow(source, "The Pillow picture", max_pixels)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return _from_file(
            _seekable(source), _quoted(name) if isinstance(name, str) else "The picture's file object", max_pixels
        )
    raise ImageFormatError(
        f"A picture cannot be read from {type(source).__name__}: pass a path, bytes, a binary file, a Pillow picture "
        "or a numpy array"
    )


def _quoted(path: str | os.PathLike[str]) -> str:
    return f"'{os.fspath(path)}'"


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for reading; name the mistake if there is no such file."""
    name = _quoted(path)
    if name.startswith(("'http://", "'https://")):
        raise ImageNotFoundError(f"{name} is a web address: download the picture first, then pass its path")
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; here only opening may fail
    except IsADirectoryError:
        raise ImageFormatError(f"{name} is a folder: pass the path of one picture in it") from None
    except FileNotFoundError:
        raise ImageNotFoundError(f"There is no file at {name}: check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageNotFoundError(
            f"{name} cannot be opened ({reason}): check the path and the right to read it"
        ) from None
    with file:
        yield file


def _seekable(file: BinaryIO) -> BinaryIO:
    """Return the rest of a file object as one that Pillow can seek in, starting at 0."""
    data = file.read()
    if not isinstance(data, bytes | bytearray):
        raise ImageFormatError("The picture's file object yields text: open it in binary mode ('rb')")
    return io.BytesIO(data)


def _plugin(head: bytes, name: str) -> tuple[str, str]:
    """Return Pillow's format and module for a file's first bytes."""
    for signature, kind, module in _SIGNATURES:
        pairs = zip(signature, head, strict=False)
        if len(head) >= 2 and all(wanted in (got, ord("?")) for wanted, got in pairs):
            return kind, module
    if head[4:8] == b"ftyp":
        raise ImageFormatError(f"{name} is a HEIC picture or a video: save it as JPEG or PNG first")
    raise ImageFormatError(f"{name} is not a picture that can be read: use {_READABLE}")


def _from_file(file: BinaryIO, name: str, max_pixels: int) -> RGBImage:
    from PIL import Image

    try:
        head = file.read(16)
        file.seek(0)
    except OSError as error:
        raise ImageNotFoundError(f"{name} cannot be read ({error.strerror}): check the path and the disk") from None
    if not head:
        raise ImageEmptyError(f"{name} is empty (0 bytes): copy or download it again")
    kind, module = _plugin(head, name)
    importlib.import_module(f"PIL.{module}")
    if kind not in Image.OPEN:
        raise ImageFormatError(
            f"{name} is {kind}, which this build of Pillow cannot read: save it as PNG or JPEG first"
        )
    try:
        # The step of Image.open that reads the header, without its global limit, which refuses or warns by itself.
        picture = Image.OPEN[kind][0](file, "")
    except Image.DecompressionBombError:
        raise _too_large(name, "its header says so", max_pixels) from None
    except _DECODING_ERRORS:
        raise _damaged(name) from None
    with picture:
        return _from_pillow(picture, name, max_pixels)


def _from_pillow(picture: Image.Image | ImageFile.ImageFile, name: str, max_pixels: int) -> RGBImage:
    from PIL import Image

    width, height = picture.size
    _check_size(width, height, name, max_pixels)
    large = width * height > (Image.MAX_IMAGE_PIXELS or DEFAULT_MAX_PIXELS)
    with warnings.catch_warnings() if large else contextlib.nullcontext():
        if large:  # some decoders repeat Pillow's own check, which max_pixels replaces
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture.load()
        except (Image.DecompressionBombError, MemoryError):
            raise _too_large(name, f"{width} x {height} pixels do not fit in memory", max_pixels) from None
        except _DECODING_ERRORS:
            raise _damaged(name) from None
    return np.ascontiguousarray(_upright(_flattened(picture, name), picture))


def _flattened(picture: Image.Image, name: str) -> RGBImage:
    """Return a decoded Pillow picture of any mode as (H, W, 3) uint8."""
    if picture.mode in _SIXTEEN_BIT:
        deep = np.asarray(picture)
        if deep.size and (deep.min() < 0 or deep.max() > 65535):
            raise ImageFormatError(f"{name} has grey values outside 16 bit: scale them to 0..65535 or 0..255 first")
        return _rgb(_eight_bit(deep.astype(np.uint16), name))
    if picture.mode == "F":
        return _rgb(_eight_bit(np.asarray(picture), name))
    try:
        if picture.mode == "La":  # premultiplied grey, which Pillow turns into RGBA only by way of LA
            picture = picture.convert("LA")
        return _rgb(np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB")))
    except ValueError:
        raise ImageFormatError(f"{name} has the colour mode {picture.mode}: convert it to RGB first") from None


def _upright(pixels: RGBImage, picture: Image.Image) -> RGBImage:
    """Turn a picture as its EXIF orientation says; a damaged EXIF block counts as none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    except _DECODING_ERRORS:
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _from_array(array: NDArray[Any], max_pixels: int) -> RGBImage:
    name = "The picture's array"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "move the channels last with array.transpose(1, 2, 0)" if _channels_first(array) else "reshape it"
        raise ImageFormatError(f"{name} must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {array.shape}: {hint}")
    _check_size(array.shape[1], array.shape[0], name, max_pixels)
    return _rgb(_eight_bit(array, name))


def _channels_first(array: NDArray[Any]) -> bool:
    return array.ndim == 3 and array.shape[0] in (1, 3, 4)


def _eight_bit(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Scale uint8, uint16, bool or float in [0, 1] to uint8 of the same shape."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageFormatError(f"{name} has dtype {array.dtype}: convert it to uint8 with values 0..255")
    if not (array.min() >= 0 and array.max() <= 1):
        raise ImageFormatError(
            f"{name} is float and must lie in [0, 1] without NaN: divide by 255, or convert it to uint8"
        )
    scaled: NDArray[np.float32] = np.rint(array.astype(np.float32) * np.float32(255))
    return scaled.astype(np.uint8)


def _rgb(array: NDArray[np.uint8]) -> RGBImage:
    """Return a new (H, W, 3) array of (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); alpha is laid on white."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 4:
        color, alpha = array[:, :, :3].astype(np.uint16), array[:, :, 3:].astype(np.uint16)
        on_white: NDArray[np.uint16] = (color * alpha + 255 * (255 - alpha) + 127) // 255  # at most 65152: no overflow
        return on_white.astype(np.uint8)
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)), order="C")


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ImageEmptyError(f"{name} has no pixels ({width} x {height}): pass a picture of at least 1 x 1")
    if width * height > max_pixels:
        raise _too_large(name, f"{width} x {height} pixels", max_pixels)


def _too_large(name: str, found: str, max_pixels: int) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} is too large ({found}, limit {max_pixels:,} pixels): make it smaller, or raise max_pixels"
    )


def _damaged(name: str) -> ImageTruncatedError:
    return ImageTruncatedError(f"{name} is cut short or damaged: copy or download it again")
