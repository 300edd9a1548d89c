"""What a result is sent as: pictures in PNG or WebP, run lengths, or one ZIP file with all."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ivm.core.errors import OutputError
from ivm.masking import MaskResult
from ivm.masking.boxes import crop
from ivm.masking.saving import encoded

Picture = Literal[
    "highlight", "blur", "crop", "crop-blur", "alpha", "cutout", "gray", "inpaint", "heatmap", "soft", "hard", "sheet"
]
"""A picture of a result, named as on the command line, which has all but `cutout`."""

Output = Picture | Literal["rle"]
"""What can be asked for."""

Format = Literal["png", "webp"]

KEYS: dict[str, str] = {
    "highlight": "highlight_image",
    "blur": "blur_image",
    "crop": "cropped_highlight_img",
    "crop-blur": "cropped_blur_img",
    "alpha": "alpha_image",
    "gray": "grayscale_image",
    "inpaint": "inpaint_image",
    "heatmap": "heatmap_image",
    "soft": "soft",
    "hard": "hard",
}
"""Attribute of `MaskResult` for each picture; "sheet" is its contact sheet, "cutout" its alpha picture in the crop."""

MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "webp": "image/webp"}
WEBP_QUALITY = 85
WEBP_SIDE = 16383
"""Longest side in pixels that WebP holds."""


def render(result: MaskResult, name: Picture, title: str = "") -> Any:
    """Render one picture of a result: (h, w) float32 in [0, 1], (h, w, 3) RGB or (h, w, 4) RGBA uint8."""
    if name == "sheet":
        return result.contact_sheet(title)
    if name == "cutout":
        return crop(result.alpha_image, result.bbox)
    return getattr(result, KEYS[name])


def encode_picture(pixels: Any, format: Format) -> bytes:
    """Encode a picture as a file: PNG without loss, WebP small.

    Args:
        pixels: (h, w) float32 in [0, 1], (h, w, 3) RGB or (h, w, 4) RGBA uint8.
        format: "png" or "webp".

    Raises:
        OutputError: WebP cannot hold a picture so large.
    """
    pixels = np.ascontiguousarray(pixels)
    if format == "png":
        return encoded(pixels, ".png")
    if max(pixels.shape[:2]) > WEBP_SIDE:
        raise OutputError(f"WebP holds at most {WEBP_SIDE} pixels a side, not {pixels.shape[1]} x {pixels.shape[0]}")
    import cv2

    if pixels.ndim == 2:
        pixels = cv2.cvtColor(cv2.convertScaleAbs(pixels, alpha=255), cv2.COLOR_GRAY2BGR)
    else:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    _, data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    return data.tobytes()


def data_url(pixels: Any, format: Format) -> str:
    """Encode a picture as `encode_picture` does, in base64 as a `data:` URL."""
    return f"data:{MEDIA_TYPES[format]};base64,{base64.b64encode(encode_picture(pixels, format)).decode('ascii')}"


def described(result: MaskResult, instruction: str, outputs: Sequence[Output], format: Format) -> dict[str, Any]:
    """Return a result as JSON has it: the numbers, each picture as a data URL, and the run lengths if asked for."""
    pictures = {name: data_url(render(result, name, instruction), format) for name in outputs if name != "rle"}
    lengths = {"rle": result.to_rle()} if "rle" in outputs else {}
    return {"instruction": instruction, **result.summary(), "pictures": pictures, **lengths}


def zipped(results: Sequence[tuple[str, MaskResult]], outputs: Sequence[Output], format: Format) -> bytes:
    """Return a ZIP file: a folder for each (instruction, result), with its pictures and `summary.json`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:  # the pictures are compressed already
        for number, (instruction, result) in enumerate(results, start=1):
            words = re.sub(r"[^a-z0-9]+", "-", instruction.casefold()).strip("-")[:40].strip("-")
            folder = f"{number:02d}-{words}" if words else f"{number:02d}"
            for name in outputs:
                if name != "rle":
                    file.writestr(
                        f"{folder}/{name}.{format}", encode_picture(render(result, name, instruction), format)
                    )
            about: dict[str, Any] = {"instruction": instruction, **result.summary()}
            if "rle" in outputs:
                about["rle"] = result.to_rle()
            file.writestr(f"{folder}/summary.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    return buffer.getvalue()
