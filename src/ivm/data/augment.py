"""Picture and mask cropped, mirrored and lit anew together.

Done with OpenCV, which is in the base install: `python -m benchmarks.data --only augment` times it against what else is
installed, and it was as fast as albumentations (which calls it, too) and ten times as fast as kornia, whose strength is
whole batches on a GPU. The crop is a view, so that one resize of each array is nearly all the work.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.model import RGBImage
from ivm.data.coding import Mask
from ivm.data.record import Record, SourceKind

_SIDED = re.compile(r"\b(left|right|leftmost|rightmost|clockwise|anticlockwise|counterclockwise)\b", re.IGNORECASE)
_TRIES = 10

Pixel = TypeVar("Pixel", np.uint8, np.float32)


class Sample(NamedTuple):
    """A record as a network takes it."""

    image: RGBImage
    """(H, W, 3) uint8 RGB."""
    mask: Mask
    """(H, W) uint8, 255 for fully needed."""
    instruction: str
    weight: float
    source: SourceKind
    present: bool
    uuid: str


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Makes a sample of a record: `augment(record, rng)`; the same generator's state gives the same sample.

    The defaults are the original's: a random part of 80 to 100 % of the picture, resized to 1024x1024.

    Attributes:
        size: width and height of samples.
        scale: least and greatest share of the picture's area that is kept.
        ratio: least and greatest width divided by height of what is kept.
        mirror: odds of a mirrored sample; one whose instruction speaks of left or right never is.
        light: how much exposure and colours change, from 0 (not at all) to 1.
    """

    size: tuple[int, int] = (1024, 1024)
    scale: tuple[float, float] = (0.8, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    mirror: float = 0.0
    light: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a value is impossible; the message names it.
        """
        if len(self.size) != 2 or min(self.size) < 1:
            raise OptionError(f"size must be a width and a height of at least 1, not {self.size!r}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise OptionError(f"scale must be two shares from above 0 to 1 in order, not {self.scale!r}")
        if len(self.ratio) != 2 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise OptionError(f"ratio must be two numbers above 0 in order, not {self.ratio!r}")
        for name in ("mirror", "light"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} must be a number from 0 to 1, not {getattr(self, name)!r}")

    def __call__(self, record: Record, rng: np.random.Generator) -> Sample:
        """Draw an instruction, a crop, a mirror image and a light.

        Raises:
            BadRecordError: picture or mask is damaged, or their sizes differ.
        """
        image, mask = record.pixels()
        instruction = record.instructions[int(rng.integers(len(record.instructions)))]
        x, y, w, h = self._crop(mask, rng)
        image, mask = resized(image[y : y + h, x : x + w], self.size), resized(mask[y : y + h, x : x + w], self.size)
        if self.mirror and rng.random() < self.mirror and not _SIDED.search(instruction):
            image, mask = np.asarray(cv2.flip(image, 1), np.uint8), np.asarray(cv2.flip(mask, 1), np.uint8)
        if self.light:
            image = relit(image, self.light, rng)
        return Sample(image, mask, instruction, record.weight, record.source, record.present, record.uuid)

    def _crop(self, mask: Mask, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw x, y, width and height; not one that loses all of the target: after ten tries the whole is kept."""
        height, width = mask.shape
        for _ in range(_TRIES):
            area = width * height * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = max(1, round(math.sqrt(area * ratio))), max(1, round(math.sqrt(area / ratio)))
            if w > width or h > height:
                continue
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            # OpenCV's count takes a tenth of the time of `any`.
            if cv2.countNonZero(mask[y : y + h, x : x + w]) or not cv2.countNonZero(mask):
                return x, y, w, h
        return 0, 0, width, height


def relit(image: RGBImage, amount: float, rng: np.random.Generator) -> RGBImage:
    """Change exposure, tint and contrast by one look-up table.

    Args:
        image: (H, W, 3) uint8.
        amount: from 0 to 1; 1 is up to 40 % brighter or darker.
        rng: draws the change.

    Returns:
        A new (H, W, 3) uint8 array.
    """
    gain = (1 + amount * rng.uniform(-0.4, 0.4)) * (1 + amount * rng.normal(0, 0.05, 3))
    curve = np.exp(amount * rng.uniform(-0.4, 0.4))
    table = 255 * np.clip(np.arange(256)[:, None] / 255 * gain, 0, 1) ** curve
    return np.asarray(cv2.LUT(image, np.round(table).astype(np.uint8).reshape(1, 256, 3)), np.uint8)


def resized(pixels: NDArray[Pixel], size: tuple[int, int]) -> NDArray[Pixel]:
    """Resize to (width, height); areas are averaged where they shrink to less than half, so that nothing flickers."""
    shrinks = pixels.shape[1] > 2 * size[0] or pixels.shape[0] > 2 * size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=method), pixels.dtype)
