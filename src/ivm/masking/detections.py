"""Results in the terms of the package supervision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ivm.core.extras import optional

if TYPE_CHECKING:
    from ivm.masking.result import MaskResult


def as_detections(result: MaskResult) -> Any:
    """Return supervision's `Detections` with the target as its one entry, or none where the picture is kept whole.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    supervision = optional("supervision")
    if result.target_bbox is None:
        return supervision.Detections.empty()
    confidence = float(result.soft[result.binary].mean()) if result.found is None else result.found
    return supervision.Detections(
        xyxy=np.array([result.target_bbox], np.float32),
        mask=result.binary[None].copy(),
        confidence=np.array([confidence], np.float32),
        class_id=np.array([0]),
    )
