"""What a cheap camera makes of the light: exposure, colour cast, blur, vignette, noise, JPEG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def photograph(light: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take a picture of linear light.

    Args:
        light: (H, W, 3) float32 RGB, 1 is about white paper in the scene.
        rng: draws the camera's faults.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = light.shape[:2]
    white = float(np.percentile(light[::4, ::4], 90)) + 0.05
    value = light * (rng.uniform(0.55, 1.15) / white) * (1 + rng.normal(0, 0.05, 3)).astype(np.float32)
    value = np.sqrt(np.clip(value, 0, None))
    value = np.where(value > 0.8, 0.8 + 0.2 * np.tanh((value - 0.8) / 0.2), value)
    gray = value.mean(axis=2, keepdims=True)
    value = gray + (value - gray) * np.float32(rng.uniform(0.75, 1.15))
    value = (value - 0.5) * np.float32(rng.uniform(0.85, 1.15)) + np.float32(0.5 + rng.normal(0, 0.03))
    if rng.random() < 0.3:
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
        value = value * (1 - np.float32(rng.uniform(0, 0.25)) * (x * x + y * y))
    if rng.random() < 0.6:
        value = cv2.GaussianBlur(value, (0, 0), rng.uniform(0.3, 1.1))
    if rng.random() < 0.08:
        kernel = np.zeros((7, 7), np.float32)
        cv2.line(kernel, (3, 3), (int(rng.integers(0, 7)), int(rng.integers(0, 7))), 1.0)
        value = cv2.filter2D(value, -1, kernel / kernel.sum())
    if rng.random() < 0.7:
        grain = rng.standard_normal(value.shape, dtype=np.float32)
        value = value + grain * np.float32(rng.uniform(0.001, 0.022))
    image = np.clip(value * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        image = _through_jpeg(image, int(rng.integers(35, 95)))
    return image


def _through_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    code = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert decoded is not None, "what imencode wrote can be read"
    photo: NDArray[np.uint8] = np.ascontiguousarray(decoded[..., ::-1], dtype=np.uint8)
    return photo
