"""What a contact sheet shows of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivm.core.errors import OptionError
from ivm.core.model import RGBImage
from ivm.masking.boxes import crop
from ivm.masking.sheet import Panel, draw_sheet

if TYPE_CHECKING:
    from ivm.masking.result import MaskResult

_NARROWEST = 240
"""Below this width in pixels the words cannot be read."""


def contact_sheet(result: MaskResult, title: str, width: int) -> RGBImage:
    """Draw the input, the heatmap, highlight, blur, crop and cut-out, labelled, as (H, width, 3) uint8.

    Raises:
        OptionError: the width is below 240 pixels.
    """
    if width < _NARROWEST:
        raise OptionError(f"A contact sheet must be at least {_NARROWEST} pixels wide, not {width!r}")
    panels = [
        Panel(title="Picture", picture=result.image),
        Panel(title="Heatmap", picture=result.heatmap_image),
        Panel(title="Highlight", picture=result.highlight_image),
        Panel(title="Blur", picture=result.blur_image),
        Panel(title="Crop", picture=crop(result.image, result.bbox)),
        Panel(title="Cut-out", picture=crop(result.alpha_image, result.bbox)),
    ]
    rows, columns = result.image.shape[:2]
    return draw_sheet(panels, title or "What the instruction needs", note(result), width, rows / columns)


def note(result: MaskResult) -> str:
    """Say in one line what was found, or why the whole picture is kept."""
    likely = "" if result.found is None else f"found with probability {result.found:.2f}, "
    if not result.kept_whole:
        return f"{likely}{result.coverage:.1%} of the picture above the threshold of {result.threshold:g}"
    if result.found is not None and result.found < 0.5:
        return f"not found (probability {result.found:.2f}): the whole picture is kept"
    return f"{likely}nothing above the threshold of {result.threshold:g}: the whole picture is kept"
