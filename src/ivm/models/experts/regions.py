"""Florence-2's answers as regions: a strict reader of generated text, and the arithmetic of its polygons.

    answer   ::= [label] region+ ...          "red cup<loc_10><loc_20><loc_500><loc_600>"
    region   ::= box | outline | "<poly>" outline ("<sep>" outline)* "</poly>"
    box      ::= 4 x "<loc_N>"                 x0 y0 x1 y1
    outline  ::= 3 or more x ("<loc_N>" "<loc_N>")

N counts from 0 to 999 across or down the picture. A generated answer may say anything, and one that reached the limit
of length ends in the middle: what is not whole is no region, and no coordinate is ever guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivm.models.experts.boxes import Boxes

BINS = 1000

_PIECE = re.compile(r"(?P<places>(?:<loc_\d+>)+)|(?P<mark></?\w+>)|(?P<text>[^<]+|<)", re.ASCII)
_PLACE = re.compile(r"<loc_(\d+)>", re.ASCII)

Outline = tuple[tuple[int, int], ...]
"""A polygon's corners (x, y) in bins."""


class Region(NamedTuple):
    """One thing that an answer points at."""

    label: str
    """What the answer calls it; empty where it does not say."""
    outlines: tuple[Outline, ...]
    """A box has one, of two corners."""


def read_regions(answer: str, *, boxes: bool) -> list[Region]:
    """Read the regions of a generated answer.

    Args:
        answer: as the tokenizer decodes it, special tokens among it.
        boxes: whether places outside `<poly>` are boxes, as in answers to a detection; else they are outlines.
    """
    return list(_regions(list(_PIECE.finditer(answer)), boxes))


def _regions(pieces: list[re.Match[str]], boxes: bool) -> Iterator[Region]:
    label, group = "", list[Outline]()
    grouped = False
    for piece, following in zip_longest(pieces, pieces[1:]):
        content = piece.group()
        if piece.lastgroup == "text":
            label, grouped = content.strip(), False
        elif content == "<poly>":
            grouped, group = True, []
        elif content == "</poly>":
            if grouped and group:
                yield Region(label, tuple(group))
            grouped = False
        elif piece.lastgroup == "places":
            places = [int(number) if len(number) < 5 else BINS for number in _PLACE.findall(content)]
            if boxes and not grouped:
                yield from (Region(label, (box,)) for box in _boxes(places))
            elif following is not None and (outline := _outline(places)):
                # One that nothing follows was cut off.
                if grouped:
                    group.append(outline)
                else:
                    yield Region(label, (outline,))


def _boxes(places: list[int]) -> Iterator[Outline]:
    """Boxes of four places each; none where they do not come out even or lie outside."""
    if len(places) % 4 or max(places) >= BINS:
        return
    for x0, y0, x1, y1 in zip(*(iter(places),) * 4, strict=True):
        if x0 <= x1 and y0 <= y1:
            yield (x0, y0), (x1, y1)


def _outline(places: list[int]) -> Outline | None:
    """A polygon; none where half a corner is left over, it has no area, or lies outside."""
    if len(places) % 2 or len(places) < 6 or max(places) >= BINS:
        return None
    return tuple(zip(places[::2], places[1::2], strict=True))


def boxes_of(regions: list[Region], size: tuple[int, int]) -> Boxes:
    """The boxes around regions: (N, 4) float32 x0, y0, x1, y1 in pixels; a bin stands for its whole width.

    Args:
        regions: any.
        size: (height, width) of the picture.
    """
    height, width = size
    points = [np.array([point for outline in region.outlines for point in outline]) for region in regions]
    rows = [(*own.min(axis=0), *(own.max(axis=0) + 1)) for own in points]
    sides = np.array([width, height, width, height], np.float32) / np.float32(BINS)
    return np.array(rows, np.float32).reshape(-1, 4) * sides


def inside_of(regions: list[Region], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Where regions are: (h, w) bool.

    Args:
        regions: any.
        grid: (h, w) of the result, which stands for the whole picture.
    """
    inside = np.zeros(grid, np.bool_)
    for region in regions:
        for outline in region.outlines:
            inside |= _filled((np.array(outline) + 0.5) * (grid[1] / BINS, grid[0] / BINS), grid)
    return inside


def _filled(corners: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells whose centres are inside a polygon of corners (N, 2) x, y in cells, by the even-odd rule."""
    filled = np.zeros(grid, np.bool_)
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    for row in range(max(0, int(y0.min())), min(grid[0], int(y0.max()) + 1)):
        middle = row + 0.5
        crossed = (y0 <= middle) != (y1 <= middle)
        along = (middle - y0[crossed]) / (y1[crossed] - y0[crossed])
        places = np.sort(x0[crossed] + along * (x1[crossed] - x0[crossed]))
        for start, end in zip(*np.ceil(places.reshape(-1, 2).T - 0.5).astype(int), strict=True):
            filled[row, start:end] = True
    return filled
