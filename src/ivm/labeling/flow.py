"""Carries masks from frame to frame by dense optical flow, and knows when it has lost them.

Flow is OpenCV's DIS (Kroeger et al., "Fast optical flow using dense inverse search", arXiv 1603.03590). What is lost is
told by flow forwards and backwards that do not meet, as in Sundaram et al. (ECCV 2010), and by pixels that no longer
look as they did.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.model import RGBImage

_LONGEST = 320
"""Side at which flow is computed."""
_MEET_SHARE, _MEET_PIXELS = 0.01, 0.5
"""Sundaram's bounds: both flows may differ by a share of their squares and a constant, in pixels squared."""
_LOOK = 40.0
"""Mean difference of colours, 0 to 255, above which a pixel no longer looks as it did."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A mask in the next frame."""

    soft: NDArray[np.float32]
    """(H, W) in [0, 1]."""
    trust: float
    """Share of what was needed that was surely followed, and is not gone since the start, in [0, 1]."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) bool."""
        return self.soft > 0.5


class FlowTracker:
    """Follows one mask through a video; begin anew with `start`."""

    def __init__(self, image: RGBImage, soft: NDArray[np.float32]) -> None:
        """Begin; see `start`."""
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self.start(image, soft)

    def start(self, image: RGBImage, soft: NDArray[np.float32]) -> None:
        """Begin at a frame (H, W, 3) with its mask (H, W) in [0, 1]."""
        self._image, self._soft = image, soft.astype(np.float32)
        self._area = float(soft.sum())

    def carry(self, image: RGBImage) -> Carried:
        """Follow the mask into the next frame.

        Args:
            image: (H, W, 3) uint8 RGB; of another size than the frame before it is as if all were lost.

        Returns:
            The mask there; the next call goes on from it.
        """
        if image.shape != self._image.shape or not (self._soft > 0.5).any():
            lost = np.zeros(image.shape[:2], np.float32)
            self.start(image, lost)
            return Carried(lost, 0.0)
        before, now = _small(self._image), _small(image)
        greys = [np.asarray(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), np.uint8) for one in (before, now)]
        back, forth = self._between(greys[1], greys[0]), self._between(greys[0], greys[1])
        size = (now.shape[1], now.shape[0])
        small = cv2.resize(self._soft, size, interpolation=cv2.INTER_AREA)
        moved, sure = _warped(small, back), _sure(before, now, back, forth)
        height, width = image.shape[:2]
        soft = np.asarray(cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        inner = _inside(moved)
        followed = float(sure[inner].mean()) if inner.any() else 0.0
        kept = min(1.0, float(soft.sum()) / max(self._area, 1e-6))
        self._image, self._soft = image, soft
        return Carried(soft, followed * kept)

    def _between(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Where pixels of one grey picture (h, w) are in another: (h, w, 2) of x and y."""
        start = np.zeros((*first.shape, 2), np.float32)
        return np.asarray(self._flow.calc(first, second, start), np.float32)


def _inside(soft: NDArray[np.float32]) -> NDArray[np.bool_]:
    """What is needed (h, w) bool without its rim, where flow is never sure; all of it where it is nothing but rim."""
    needed = (soft > 0.5).astype(np.uint8)
    inner = np.asarray(cv2.erode(needed, np.ones((5, 5), np.uint8)), np.uint8)
    return (inner if inner.any() else needed) > 0


def _small(image: RGBImage) -> RGBImage:
    scale = min(1.0, _LONGEST / max(image.shape[:2]))
    size = (max(16, round(image.shape[1] * scale)), max(16, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _warped(values: NDArray[np.generic], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fetch values (h, w[, c]) from where the flow (h, w, 2) of x and y points; outside the picture is 0."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return np.asarray(
        cv2.remap(
            values.astype(np.float32), columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderValue=0
        ),
        np.float32,
    )


def _sure(
    before: RGBImage, now: RGBImage, back: NDArray[np.float32], forth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Where the flow may be believed, (h, w) 0 or 1."""
    there = _warped(forth, back)
    apart = ((back + there) ** 2).sum(axis=2)
    squares = (back**2).sum(axis=2) + (there**2).sum(axis=2)
    meet = apart <= _MEET_SHARE * squares + _MEET_PIXELS
    alike = np.abs(_warped(before, back) - now).mean(axis=2) <= _LOOK
    return np.asarray(meet & alike, np.float32)
