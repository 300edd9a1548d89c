"""Encodes pictures and masks as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError, OutputError
from ivm.core.files import write_files

FORMATS = {"png": ".png", "jpg": ".jpg"}
"""Formats for RGB pictures; masks and alpha are always PNG, which loses nothing."""

_JPEG_QUALITY = 95


def encoded(array: NDArray[Any], suffix: str) -> bytes:
    """Encode a picture as the bytes of a file.

    Args:
        array: (H, W) float in [0, 1], written as 8-bit grey; or (H, W, 3) RGB or (H, W, 4) RGBA uint8.
        suffix: ".png" or ".jpg".

    Raises:
        OutputError: the format cannot hold a picture of this size.
    """
    import cv2

    if array.ndim == 2:
        pixels = cv2.convertScaleAbs(array, alpha=255)
    else:
        pixels = cv2.cvtColor(array, cv2.COLOR_RGB2BGR if array.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    if suffix == ".jpg":
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    else:  # plain areas are run lengths: half the time of the default strategy, and smaller files
        options = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    try:
        done, data = cv2.imencode(suffix, pixels, options)
    except cv2.error:
        done = False
    if not done:
        raise OutputError(f"A picture of {array.shape[1]} x {array.shape[0]} does not fit {suffix}: use another format")
    return data.tobytes()


def save_pictures(
    render: Callable[[str], NDArray[Any]], names: Iterable[str], folder: Path, stem: str, form: str
) -> dict[str, Path]:
    """Write some pictures as `folder/[stem_]name.suffix`, all or none of them.

    Args:
        render: returns the picture of a name; asked for one at a time, so that rendering and writing take turns.
        names: which pictures.
        folder: made where it is missing.
        stem: put before each name, unless empty.
        form: a key of `FORMATS`.

    Returns:
        The path of each name.

    Raises:
        OptionError: no such format, or the stem holds a path separator.
        DiskFullError: no space is left.
        OutputError: the folder or a file cannot be written.
    """
    if form not in FORMATS:
        raise OptionError(f"There is no picture format {form!r}: use {' or '.join(map(repr, FORMATS))}")
    if Path(stem).name != stem:
        raise OptionError(f"The stem {stem!r} must be a plain file name: put the folder into `folder`")
    paths: dict[str, Path] = {}

    def files() -> Iterator[tuple[Path, bytes]]:
        """Render and encode one after the other."""
        for name in names:
            picture = render(name)
            opaque = picture.ndim == 3 and picture.shape[2] == 3
            suffix = FORMATS[form] if opaque else ".png"
            paths[name] = folder / f"{f'{stem}_' if stem else ''}{name}{suffix}"
            yield paths[name], encoded(np.ascontiguousarray(picture), suffix)

    write_files(files())
    return paths
