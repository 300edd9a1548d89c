"""Moves a mask along with what it shows from one frame to the next, by dense optical flow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap, RGBImage

_SIDE = 160
"""Longest side in pixels at which motion is looked for."""


class Tracker:
    """Dense inverse search (Kroeger et al., ECCV 2016), OpenCV's fastest preset; about a millisecond a frame."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def view(self, frame: RGBImage) -> NDArray[np.uint8]:
        """Return what is kept of a frame (H, W, 3) uint8 to find motion from it later: small and grey."""
        scale = min(1.0, _SIDE / max(frame.shape[:2]))
        size = max(round(frame.shape[1] * scale), 16), max(round(frame.shape[0] * scale), 16)
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)

    def move(self, soft: Heatmap, before: NDArray[np.uint8], now: NDArray[np.uint8]) -> Heatmap:
        """Move a heatmap.

        Args:
            soft: (H, W) float32, of the frame whose view is `before`.
            before: (h, w) uint8.
            now: (h, w) uint8, of the frame for which the heatmap is wanted.

        Returns:
            (H, W) float32 in [0, 1].
        """
        # From now to before: each pixel looks up where it came from.
        back = np.asarray(self._flow.calc(now, before, None), np.float32)  # type: ignore[call-overload]
        height, width = soft.shape
        scale = np.array([width / now.shape[1], height / now.shape[0]], np.float32)
        large = cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR) * scale
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        moved = cv2.remap(soft, columns + large[..., 0], rows + large[..., 1], cv2.INTER_LINEAR)
        return np.asarray(moved, np.float32)
