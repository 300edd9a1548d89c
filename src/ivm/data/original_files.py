"""A record as files of the original's layout, which the original's own reader reads, and this one without loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ivm.data.coding import GAIN, Mask, MaskCode, encode_mask, encode_pixels, picture_kind
from ivm.data.record import Record


def original_files(record: Record) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """Write a record in the original's way.

    `mask_{uuid}.jpg` is what that reader can make of the mask: a JPEG, divided by the factor that it multiplies with.
    Where that does not give the same mask back, an exact PNG stands beside it, which the line names.

    Returns:
        The line, and the files by name: picture, mask, perhaps the exact mask.

    Raises:
        RecordError: the mask is damaged.
    """
    line = record.to_json()
    line.pop("mask", None)
    kind = picture_kind(record.picture)
    picture = f"img_{record.uuid}.{kind}"
    if kind != "jpg":  # the name that the original supposes where a line has no "image"
        line["image"] = picture
    files = [(picture, record.picture)]
    if record.mask_code.kind == "original":
        assert isinstance(record.mask_code.data, bytes), "an original mask is a file"
        return line, [*files, (f"mask_{record.uuid}.jpg", record.mask_code.data)]
    mask = record.mask
    rough = _rough(mask)
    files.append((f"mask_{record.uuid}.jpg", rough))
    if not np.array_equal(MaskCode("original", rough).decode(), mask):
        line["mask"] = f"mask_{record.uuid}.png"
        exact = encode_mask(mask, runs=False).data
        assert isinstance(exact, bytes), "without runs it is a file"
        files.append((line["mask"], exact))
    return line, files


def _rough(mask: Mask) -> bytes:
    return encode_pixels("jpg", np.rint(mask.astype(np.float32) / np.float32(GAIN)).astype(np.uint8))
