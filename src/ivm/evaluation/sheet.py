"""All answers of an evaluation in one picture, the worst first, so that a person sees what the numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ivm.core.model import Heatmap, RGBImage
from ivm.evaluation.grounding import Answered, Score
from ivm.evaluation.metrics import Mask

TILE_WIDTH = 320
CAPTION_HEIGHT = 40
COLUMNS = 6

_HEAT = np.array([255, 0, 255], np.float32)  # a colour that few objects have
_WHITE = (255, 255, 255)
_HIT = (0, 230, 0)
_MISS = (230, 0, 0)


class Tile(NamedTuple):
    """One answered question, drawn; small enough to keep hundreds."""

    score: Score
    picture: RGBImage
    """(h, TILE_WIDTH, 3) uint8."""


def draw_tile(answered: Answered) -> Tile:
    """Draw the heatmap in magenta over the darkened picture, the true outline in white, the maximum as a cross.

    The cross is green on the object and red beside it. Below stand the instruction, IoU and presence.
    """
    import cv2

    score, image, soft, truth = answered
    height = max(1, round(image.shape[0] * TILE_WIDTH / image.shape[1]))
    size = (TILE_WIDTH, height)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    heat = cv2.resize(soft, size, interpolation=cv2.INTER_AREA)[..., None]
    # The picture keeps its colours under the heat: by them the objects are asked for, and confused.
    picture = ((0.75 - 0.35 * heat) * small + 0.6 * heat * _HEAT).clip(0, 255).astype(np.uint8)
    cv2.drawContours(picture, _outlines(truth, size), -1, _WHITE, 1, cv2.LINE_AA)
    for color, thickness in ((_WHITE, 5), (_HIT if score.hit > 0.5 else _MISS, 2)):
        cv2.drawMarker(picture, _maximum(soft, size), color, cv2.MARKER_CROSS, 15, thickness)
    return Tile(score, np.concatenate([picture, _caption(score)]))


def draw_sheet(tiles: Sequence[Tile], columns: int = COLUMNS) -> RGBImage:
    """Lay tiles out in rows, the lowest IoU first.

    Args:
        tiles: at least one; they may differ in height.
        columns: tiles per row, at least 1.

    Returns:
        (rows * h, min(columns, N) * TILE_WIDTH, 3) uint8, with h the height of the tallest tile.

    Raises:
        ValueError: there is no tile.
    """
    if not tiles:
        raise ValueError("Expected at least one tile")
    columns = min(columns, len(tiles))
    height = max(tile.picture.shape[0] for tile in tiles)
    sheet = np.zeros((-(-len(tiles) // columns) * height, columns * TILE_WIDTH, 3), np.uint8)
    for place, tile in enumerate(sorted(tiles, key=lambda tile: tile.score.iou)):
        top, left = place // columns * height, place % columns * TILE_WIDTH
        sheet[top : top + tile.picture.shape[0], left : left + TILE_WIDTH] = tile.picture
    return sheet


def _outlines(truth: Mask, size: tuple[int, int]) -> Sequence[np.ndarray]:
    import cv2

    mask = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return outlines


def _maximum(soft: Heatmap, size: tuple[int, int]) -> tuple[int, int]:
    row, column = np.unravel_index(int(soft.argmax()), soft.shape)
    return int(column * size[0] / soft.shape[1]), int(row * size[1] / soft.shape[0])


def _caption(score: Score) -> RGBImage:
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("RGB", (TILE_WIDTH, CAPTION_HEIGHT))
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(14)
    pointing = "hit" if score.hit > 0.5 else "miss"
    draw.text((4, 2), score.instruction, font=font, fill="white")
    draw.text((4, 20), f"IoU {score.iou:.2f}  {pointing}  found {score.found:.2f}  {score.image.stem}", font=font)
    return np.asarray(strip)
