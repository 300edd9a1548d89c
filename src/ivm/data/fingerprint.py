"""Perceptual hashes: the same picture, saved anew, resized or lit otherwise, has nearly the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.model import RGBImage

NEAR = 6
"""Bits of 64 in which the hashes of nearly equal pictures may differ."""

ALIKE = 0.9
"""Correlation of their thumbnails, at least."""

THUMB = 8
_SIDE = 32
_FLAT = 2.0
"""Spread of grey values below which a thumbnail has no pattern."""
_CHUNK = 1 << 22


class Fingerprints(NamedTuple):
    """Of N pictures."""

    hashes: NDArray[np.uint64]
    """(N,) uint64."""
    thumbs: NDArray[np.uint8]
    """(N, 64) uint8, the picture in grey at 8x8."""

    @classmethod
    def of(cls, rows: list[tuple[int, bytes]]) -> Fingerprints:
        """Stack what `fingerprint` gave."""
        thumbs = np.frombuffer(b"".join(thumb for _, thumb in rows), np.uint8)
        return cls(np.array([hash_ for hash_, _ in rows], np.uint64), thumbs.reshape(len(rows), THUMB * THUMB))


def fingerprint(image: RGBImage) -> tuple[int, bytes]:
    """Hash a picture.

    The hash holds the signs of the 64 lowest frequencies of the grey picture, as pHash does (Zauner, "Implementation
    and Benchmarking of Perceptual Image Hash Functions").

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The hash, 64 bits, and the thumbnail, 64 bytes.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:8, :8]
    bits = (low > np.median(low)).ravel()
    thumb = cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return int(np.packbits(bits).view(">u8")[0]), np.asarray(thumb, np.uint8).tobytes()


def near_pairs(first: Fingerprints, second: Fingerprints) -> Iterator[tuple[int, int]]:
    """Find every pair of nearly equal pictures of two sets, by comparing each with each.

    Yields:
        Index in `first` and index in `second`.
    """
    if not len(first.hashes) or not len(second.hashes):
        return
    step = max(1, _CHUNK // len(second.hashes))
    for start in range(0, len(first.hashes), step):
        distance = np.bitwise_count(first.hashes[start : start + step, None] ^ second.hashes[None])
        for i, j in np.argwhere(distance <= NEAR):
            if alike(first.thumbs[start + i], second.thumbs[j]):
                yield int(start + i), int(j)


def near_within(prints: Fingerprints) -> Iterator[tuple[int, int]]:
    """Find pairs of nearly equal pictures of one large set, by comparing those that share a quarter of the hash.

    All pairs that differ in up to 3 bits are found, and nine of ten that differ in 4.

    Yields:
        Two indices, perhaps several times.
    """
    for quarter in range(4):
        keys = (prints.hashes >> np.uint64(16 * quarter)).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order].astype(np.int32), prepend=-1))
        for bucket in np.split(order, starts[1:]):
            if len(bucket) > 1:
                part = Fingerprints(prints.hashes[bucket], prints.thumbs[bucket])
                yield from ((int(bucket[i]), int(bucket[j])) for i, j in near_pairs(part, part) if i < j)


def alike(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Whether two thumbnails, (64,) uint8, show the same, whatever their brightness and contrast."""
    one, other = (thumb.astype(np.float64) - thumb.mean() for thumb in (first, second))
    spreads = one.std(), other.std()
    if min(spreads) < _FLAT:
        return bool(max(spreads) < _FLAT and abs(float(first.mean()) - float(second.mean())) < 2 * _FLAT)
    return bool((one * other).mean() / (spreads[0] * spreads[1]) >= ALIKE)
