"""Small masks and heatmaps for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=24)
MASKS = hnp.arrays(np.bool_, SHAPES)
HEATMAPS = hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32))
THRESHOLDS = st.floats(0, 1)
KERNELS = st.integers(0, 6).map(lambda half: 2 * half + 1)


def picture_of(heatmap: np.ndarray) -> np.ndarray:
    """Noise of a heatmap's size."""
    return np.random.default_rng(3).integers(0, 256, (*heatmap.shape, 3), np.uint8)
