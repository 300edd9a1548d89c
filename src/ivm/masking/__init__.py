"""Heatmap -> mask -> pictures: `MaskResult`, and the pure functions behind it."""

from __future__ import annotations

from ivm.masking.boxes import Box, bounding_box, grow_box
from ivm.masking.heatmap import check_threshold, sigmoid, upsample_logits
from ivm.masking.result import MORE_PICTURES, PAPER_KEYS, MaskResult
from ivm.masking.rle import Rle, decode_rle, encode_rle
from ivm.masking.style import PRESETS, PaperStyle, Style, V1Style, make_style

__all__ = [
    "MORE_PICTURES",
    "PAPER_KEYS",
    "PRESETS",
    "Box",
    "MaskResult",
    "PaperStyle",
    "Rle",
    "Style",
    "V1Style",
    "bounding_box",
    "check_threshold",
    "decode_rle",
    "encode_rle",
    "grow_box",
    "make_style",
    "sigmoid",
    "upsample_logits",
]
