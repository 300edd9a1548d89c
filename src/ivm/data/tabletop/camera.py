"""Where a camera stands, and what a cheap one makes of light: exposure, colour cast, blur, vignette, noise, JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop.develop import bits, normal_quantiles, tones
from ivm.data.tabletop.shapes import Floats


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; `axes` rows are right, down and forward in the world."""

    eye: Floats
    axes: Floats
    focal: float
    """Focal length in units of the picture's width."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Camera:
        """Draw a camera that looks at a table from where a person or a robot would look."""
        return cls.looking_at(
            elevation=math.radians(rng.uniform(24, 78)),
            turn=rng.uniform(0, 2 * math.pi),
            distance=rng.uniform(36, 95),
            roll=math.radians(rng.normal(0, 4)),
            target=(*rng.normal(0, 6, 2), rng.uniform(0, 6)),
            focal=rng.uniform(0.8, 1.3),
        )

    @classmethod
    def looking_at(
        cls,
        target: tuple[float, float, float],
        *,
        elevation: float,
        turn: float,
        distance: float,
        roll: float,
        focal: float,
    ) -> Camera:
        """Place a camera by what is in the middle of its picture.

        Args:
            target: the point that it looks at, in cm.
            elevation: radians above the horizon at which the target sees it.
            turn: radians around the vertical, likewise.
            distance: from the target, in cm.
            roll: radians about its own axis.
            focal: see `Camera.focal`.
        """
        back = np.array(
            [math.cos(elevation) * math.cos(turn), math.cos(elevation) * math.sin(turn), math.sin(elevation)]
        )
        right = np.cross(-back, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(-back, right)
        c, s = math.cos(roll), math.sin(roll)
        axes = np.stack([right * c + down * s, down * c - right * s, -back]).astype(np.float32)
        return cls((np.array(target) + distance * back).astype(np.float32), axes, focal)

    def project(self, points: Floats, width: int, height: int) -> Floats:
        """Map (V, 3) world points to rows for `raster.rasterize`: column, row, 1/depth; -1 for what is no cm ahead."""
        seen = (points - self.eye) @ self.axes.T
        ahead = seen[:, 2] > 1
        inverse = 1 / np.where(ahead, seen[:, 2], 1)
        scale = self.focal * width
        screen = np.empty((len(points), 3), np.float32)
        screen[:, 0] = seen[:, 0] * inverse * scale + width / 2
        screen[:, 1] = seen[:, 1] * inverse * scale + height / 2
        screen[:, 2] = np.where(ahead, inverse, -1)
        return screen

    def sees_only(self, half_sizes: Floats, aspect: float) -> bool:
        """Whether the table, (2,) half-sizes about the origin at z = 0, fills a picture of width/height `aspect`.

        It may say no where the table's edge is nearly in the picture; where it says yes, it is so.
        """
        for u in (-0.5, 0.5):
            for v in (-0.5 / aspect, 0.5 / aspect):
                ray = (u * self.axes[0] + v * self.axes[1]) / self.focal + self.axes[2]
                if ray[2] > -0.01 or (np.abs((self.eye - self.eye[2] / ray[2] * ray)[:2]) > half_sizes - 0.5).any():
                    return False
        return True


def photograph(light: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take a picture of linear light.

    Args:
        light: (H, W, 3) float32 RGB, 1 is about white paper in the scene.
        rng: draws the camera's faults.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    sample = np.sort(light[::4, ::4].ravel())
    white = float(sample[len(sample) * 9 // 10]) + 0.05
    value = tones(
        light,
        rng.uniform(0.55, 1.15) / white * (1 + rng.normal(0, 0.05, 3)),
        saturation=rng.uniform(0.75, 1.15),
        contrast=rng.uniform(0.85, 1.15),
        brightness=rng.normal(0, 0.03),
        vignette=rng.uniform(0, 0.25) if rng.random() < 0.3 else 0.0,
    )
    if rng.random() < 0.6:
        value = cv2.GaussianBlur(value, (0, 0), rng.uniform(0.3, 1.1))
    if rng.random() < 0.08:
        kernel = np.zeros((7, 7), np.float32)
        cv2.line(kernel, (3, 3), (int(rng.integers(0, 7)), int(rng.integers(0, 7))), 1.0)
        value = cv2.filter2D(value, -1, kernel / kernel.sum())
    random, grain = np.empty((0, 0, 0), np.uint16), 0.0
    if rng.random() < 0.7:
        random = rng.integers(0, 1 << 16, value.shape, dtype=np.uint16)
        grain = rng.uniform(0.001, 0.022)
    image: NDArray[np.uint8] = bits(value, random, normal_quantiles(), grain)
    if rng.random() < 0.5:
        image = _through_jpeg(image, int(rng.integers(35, 95)))
    return image


def _through_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert decoded is not None, "what imencode wrote can be read"
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
