"""Rollouts as videos: the camera's picture with the mask laid over it, and what the policy sees, side by side."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OutputError
from ivm.core.files import output_error
from ivm.core.model import Heatmap, RGBImage

_SCALE = 2
_BAR = 18


class Film:
    """Gathers frames of an episode; `save` writes them as MP4, `strip` makes one picture of some of them."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.frames: list[RGBImage] = []

    def __call__(self, image: RGBImage, soft: Heatmap | None, seen: NDArray[np.uint8]) -> None:
        """Add a frame; see `rollout.Watch`."""
        left = overlaid(image, soft)
        pair = np.concatenate([left, seen[..., :3]], axis=1)
        large = np.asarray(cv2.resize(pair, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_NEAREST), np.uint8)
        bar = np.full((_BAR, large.shape[1], 3), 255, np.uint8)
        cv2.putText(bar, self.title, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        self.frames.append(np.concatenate([bar, large]))

    def strip(self, count: int = 4) -> RGBImage:
        """Return some frames one under the other, the first and the last among them."""
        places = np.unique(np.linspace(0, len(self.frames) - 1, count).round().astype(int))
        return np.concatenate([self.frames[place] for place in places])

    def save(self, path: str | Path, fps: int = 5) -> Path:
        """Write the film, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        path = Path(path)
        part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = self.frames[0].shape[:2]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(os.fspath(part), code, fps, (width // 2 * 2, height // 2 * 2))
            if not writer.isOpened():
                raise OutputError(f"'{path}' cannot be written as a video: choose another folder")
            for frame in self.frames:
                writer.write(np.ascontiguousarray(frame[: height // 2 * 2, : width // 2 * 2, ::-1]))
            writer.release()
            part.replace(path)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise output_error(path, error) from None
        finally:
            part.unlink(missing_ok=True)
        return path


def overlaid(image: RGBImage, soft: Heatmap | None) -> RGBImage:
    """Return (H, W, 3) uint8: what is kept in colour with a yellow edge, all else grey; a whole picture as it is."""
    if soft is None:
        return image
    mask = soft > 0.5
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    out = np.where(mask[..., None], image, np.asarray(grey // 2 + 96, np.uint8)).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(out, outlines, -1, (255, 220, 0), 1), np.uint8)
