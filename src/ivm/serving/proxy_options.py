"""How pictures are masked on their way, set when the proxy starts and changed by a request's own headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast
from urllib.parse import unquote

from ivm.core.errors import OptionError
from ivm.inference.masker import check_style
from ivm.masking import MaskResult
from ivm.masking.boxes import crop
from ivm.serving.outputs import KEYS, MEDIA_TYPES, Picture, render

MODES = ("replace", "original+crop", "crop")
ON_ERROR = ("refuse", "pass")

STYLES = (*KEYS, "cutout", "original")
"""Pictures of a result by their names on the command line; "original" is unmasked, for the modes that crop."""

_CROPPED = ("crop", "crop-blur", "cutout")
PREFIX = "x-ivm-"
"""Headers that begin so are for the proxy and go no further."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """What happens to the pictures of a request.

    Raises:
        OptionError, ThresholdError: a value outside its range.
    """

    mask: bool = True
    """False lets the request pass as it is."""
    instruction: str | None = None
    """What to keep; None takes the last text of a user."""
    mode: str = "replace"
    """What takes a picture's place, one of `MODES`: the masked one, the picture and its crop, or the crop."""
    style: str = "highlight"
    """Which masked picture, one of `STYLES`; in the modes that crop, what is cropped."""
    threshold: float = 0.5
    on_error: str = "refuse"
    """One of `ON_ERROR`: a picture that cannot be masked is an error, or passes as it is."""
    format: str = "png"
    """Of masked pictures, one of `MEDIA_TYPES`."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """The preset and its options, see `MaskResult.from_logits`."""

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _one_of("style", self.style, STYLES)
        _one_of("on-error", self.on_error, ON_ERROR)
        _one_of("format", self.format, MEDIA_TYPES)
        check_style(self.threshold, self.more)
        if self.style == "original" and self.mode == "replace":
            raise OptionError("The style original masks nothing: use it with the mode crop or original+crop")

    def render(self, result: MaskResult) -> Any:
        """Return the picture to send: (h, w) float32 in [0, 1], (h, w, 3) RGB or (h, w, 4) RGBA uint8."""
        picture = result.image if self.style == "original" else render(result, cast("Picture", self.style))
        return picture if self.mode == "replace" or self.style in _CROPPED else crop(picture, result.bbox)


def with_headers(options: MaskOptions, headers: Iterable[tuple[bytes, bytes]]) -> MaskOptions:
    """Return the options with what a request's headers say.

    `X-IVM-Mask: off`, `X-IVM-Instruction`, `X-IVM-Mode`, `X-IVM-Style`, `X-IVM-Threshold`, `X-IVM-On-Error` and
    `X-IVM-Format`. An instruction beyond ASCII comes in UTF-8, or percent-encoded after `UTF-8''` (RFC 8187).

    Raises:
        OptionError, ThresholdError: an unknown header, or a value outside its range.
    """
    given: dict[str, Any] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX).replace("-", "_")
            if key not in _FROM_HEADER:
                known = ", ".join(f"{PREFIX}{one.replace('_', '-')}" for one in _FROM_HEADER)
                raise OptionError(f"There is no header {name!r}: use {known}")
            given[key] = _FROM_HEADER[key](raw_value.decode("utf-8", "replace").strip())
    return replace(options, **given) if given else options


def _switch(text: str) -> bool:
    _one_of("header x-ivm-mask", text.lower(), ("on", "off"))
    return text.lower() == "on"


def _instruction(text: str) -> str:
    return unquote(text[7:]) if text[:7].lower() == "utf-8''" else text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")  # which no threshold is


_FROM_HEADER = {
    "mask": _switch,
    "instruction": _instruction,
    "mode": str.lower,
    "style": str.lower,
    "threshold": _number,
    "on_error": str.lower,
    "format": str.lower,
}
assert set(_FROM_HEADER) <= {one.name for one in fields(MaskOptions)}


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    if value not in (names := list(known)):
        raise OptionError(f"The {name} is {' or '.join(names)}, not {value!r}")
