"""COCO's run-length encoding of binary masks, in both forms, as numpy operations on whole arrays.

The runs go down the columns (Fortran order) and begin with the length of a run of zeros, which may be 0. The compressed
form writes each length, from the fourth on as the difference to the length two before, in groups of five bits, lowest
first; bit 5 of a character says that more follow, and 48 is added to make it printable.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError

_GROUPS = 8
"""Most characters that one length takes: five bits each, enough for 2**39 pixels."""


class Rle(TypedDict):
    """A mask as COCO's annotation files hold it."""

    size: list[int]
    """[H, W]"""

    counts: str | list[int]
    """The compressed string, or the uncompressed lengths."""


def encode_rle(mask: NDArray[np.bool_], *, compressed: bool = True) -> Rle:
    """Encode a mask.

    Args:
        mask: (H, W) bool.
        compressed: counts as COCO's string, ready for JSON; else as a list of lengths.

    Returns:
        `{"size": [H, W], "counts": ...}`.
    """
    counts = _run_lengths(mask)
    size = [int(side) for side in mask.shape]
    return {"size": size, "counts": _compress(counts) if compressed else counts.tolist()}


def decode_rle(rle: Rle) -> NDArray[np.bool_]:
    """Decode a mask of either form into (H, W) bool.

    Raises:
        OptionError: the lengths do not fill the size, or the string is not COCO's.
    """
    counts, (height, width) = rle["counts"], rle["size"]
    lengths = _decompress(counts) if isinstance(counts, str) else np.asarray(counts, np.int64)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise OptionError(f"The run lengths do not add up to {height} x {width} pixels: the encoding is damaged")
    values = np.arange(len(lengths)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, lengths).reshape(width, height).T)


def _run_lengths(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    flat = np.ravel(mask, order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(changes, prepend=0, append=flat.size)
    return np.insert(counts, 0, 0) if flat.size and flat[0] else counts


def _compress(counts: NDArray[np.int64]) -> str:
    values = counts.copy()
    values[3:] -= counts[1:-2]
    shifted = values[:, None] >> (5 * np.arange(_GROUPS + 1))
    groups, rest = shifted[:, :-1] & 0x1F, shifted[:, 1:]
    more = np.where(groups & 0x10, rest != -1, rest != 0)
    written = np.ones_like(more)
    written[:, 1:] = np.logical_and.accumulate(more, axis=1)[:, :-1]
    codes: NDArray[np.int64] = (groups + 0x20 * more + 48)[written]
    return bytes(codes.astype(np.uint8)).decode("ascii")


def _decompress(text: str) -> NDArray[np.int64]:
    codes = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    last = (codes & 0x20) == 0
    if codes.size == 0 or codes.min() < 0 or codes.max() > 0x3F or not last[-1]:
        raise OptionError("The text is not a run-length encoding of COCO's: it is damaged or cut short")
    ends = np.flatnonzero(last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts + 1
    if sizes.max() > _GROUPS:
        raise OptionError("The text is not a run-length encoding of COCO's: one of its numbers is too long")
    position = np.arange(codes.size) - np.repeat(starts, sizes)
    values = np.add.reduceat((codes & 0x1F) << (5 * position), starts)
    values -= np.where(codes[ends] & 0x10, np.int64(1) << (5 * sizes), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
