"""Pictures beyond the paper's: the heatmap in colour over the picture."""

from __future__ import annotations

import numpy as np

from ivm.core.model import Heatmap, RGBImage
from ivm.masking.blending import grey


def heat_overlay(image: RGBImage, soft: Heatmap, strength: float = 0.6) -> RGBImage:
    """Lay a heatmap in colour, blue for 0 and red for 1, over the picture in grey.

    Args:
        image: (H, W, 3) uint8.
        soft: (H, W) float32 in [0, 1].
        strength: share of the colour in [0, 1].

    Returns:
        (H, W, 3) uint8.
    """
    import cv2

    colors = cv2.applyColorMap(cv2.convertScaleAbs(soft, alpha=255), cv2.COLORMAP_TURBO)
    colors = cv2.cvtColor(colors, cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(colors, strength, grey(image), 1 - strength, 0), np.uint8)
