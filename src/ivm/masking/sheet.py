"""One labelled picture that shows a result at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import RGBImage

if TYPE_CHECKING:
    from PIL import Image, ImageFont

_PAPER = (250, 250, 248)
_INK = (38, 40, 46)
_FAINT = (120, 124, 132)
_LINE = (214, 216, 220)
_CHECKS = (255, 255, 255), (222, 224, 228)
_COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of the sheet and the words above it."""

    title: str
    picture: NDArray[np.uint8]
    """(h, w, 3) RGB, or (h, w, 4) RGBA, which is shown on a chequered ground."""


def draw_sheet(panels: Sequence[Panel], title: str, note: str, width: int, aspect: float) -> RGBImage:
    """Arrange panels in rows of three under a title.

    Args:
        panels: in reading order; a picture of another aspect stands at the top left of its cell.
        title: the line at the top; a line that is too long ends in an ellipsis.
        note: smaller, under the title.
        width: of the sheet in pixels.
        aspect: height / width of a cell.

    Returns:
        (H, width, 3) uint8.
    """
    from PIL import Image, ImageDraw

    gap = max(width // 60, 4)
    large, small = _font(width / 48), _font(width / 72)
    cell = (width - gap * (_COLUMNS + 1)) // _COLUMNS
    cell_height = max(round(cell * min(max(aspect, 0.4), 1.6)), 1)
    line = round(width / 72 * 1.9)
    head = gap + round(width / 48 * 1.5) + line
    rows = -(-len(panels) // _COLUMNS)
    sheet = Image.new("RGB", (width, head + rows * (line + cell_height + gap) + gap // 2), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((gap, gap), _fitting(title, large, width - 2 * gap), _INK, large)
    draw.text((gap, gap + round(width / 48 * 1.5)), _fitting(note, small, width - 2 * gap), _FAINT, small)
    for index, panel in enumerate(panels):
        x = gap + index % _COLUMNS * (cell + gap)
        y = head + index // _COLUMNS * (line + cell_height + gap)
        draw.text((x, y + line // 5), panel.title, _INK, small)
        shown = _fitted(panel.picture, cell, cell_height)
        sheet.paste(shown, (x, y + line))
        draw.rectangle((x - 1, y + line - 1, x + shown.width, y + line + shown.height), outline=_LINE)
    return np.array(sheet, np.uint8)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(max(size, 8))


def _fitting(text: str, font: Any, width: int) -> str:
    """Shorten a line until it fits into `width` pixels."""
    text = "".join(character if character.isprintable() else " " for character in text)[:400]
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _fitted(picture: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """Scale a picture to fit into a cell; lay transparency on a chequered ground."""
    import cv2
    from PIL import Image

    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    shown = cv2.resize(np.ascontiguousarray(picture), size, interpolation=method)
    if shown.shape[2] == 3:
        return Image.fromarray(shown)
    alpha = Image.fromarray(shown[:, :, 3])
    ground = Image.fromarray(_checks(size[0], size[1], max(width // 32, 2)))
    ground.paste(Image.fromarray(shown[:, :, :3].copy()), (0, 0), alpha)
    return ground


def _checks(width: int, height: int, side: int) -> RGBImage:
    rows, columns = np.ogrid[:height, :width]
    checks: RGBImage = np.array(_CHECKS, np.uint8)[(rows // side + columns // side) % 2]
    return checks
