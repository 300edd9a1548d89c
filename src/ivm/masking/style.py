"""The two presets: how a thresholded heatmap becomes a soft-edged mask, and what is put around it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, TypeAlias

from ivm.core.errors import OptionError

Color: TypeAlias = tuple[int, int, int]
"""(red, green, blue), each 0 to 255."""

MAX_KERNEL = 4095
"""Largest side of a kernel in pixels: as wide as a 12-megapixel picture."""


@dataclass(frozen=True, kw_only=True)
class PaperStyle:
    """The paper README's call: a fixed dilation with an equally wide soft edge, a blurred and a filled background.

    Args:
        blur_kernel_size: side in pixels of the Gaussian kernel that blurs the background; odd, 1 blurs nothing.
        dilate_kernel_size: side in pixels of the square that grows the mask, and of the Gaussian that softens its edge.
        fill_color: what replaces the background in the highlighted pictures.

    Raises:
        OptionError: a size is not an odd number from 1 to `MAX_KERNEL`, or a colour not three numbers 0 to 255.
    """

    preset: ClassVar[str] = "paper"
    blur_kernel_size: int = 201
    dilate_kernel_size: int = 21
    fill_color: Color = (255, 255, 255)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blur_kernel_size", _kernel("blur_kernel_size", self.blur_kernel_size))
        object.__setattr__(self, "dilate_kernel_size", _kernel("dilate_kernel_size", self.dilate_kernel_size))
        object.__setattr__(self, "fill_color", _color("fill_color", self.fill_color))

    def edge_kernel(self, height: int) -> int:
        """Return the side in pixels of the kernel that grows and softens the mask; here the same at any height."""
        return self.dilate_kernel_size

    @property
    def background_color(self) -> Color:
        """What replaces the background in the highlighted pictures."""
        return self.fill_color


@dataclass(frozen=True, kw_only=True)
class V1Style:
    """The released v1.0's call: dilation and soft edge are 5 % of the picture's height.

    Args:
        overlay_color: what replaces the background in the highlighted pictures.
        blur_kernel_size: as in `PaperStyle`; v1.0 itself has no blurred picture.

    Raises:
        OptionError: as `PaperStyle` does.
    """

    preset: ClassVar[str] = "v1"
    overlay_color: Color = (255, 255, 255)
    blur_kernel_size: int = 201

    def __post_init__(self) -> None:
        object.__setattr__(self, "blur_kernel_size", _kernel("blur_kernel_size", self.blur_kernel_size))
        object.__setattr__(self, "overlay_color", _color("overlay_color", self.overlay_color))

    def edge_kernel(self, height: int) -> int:
        """Return the side in pixels of the kernel that grows and softens the mask: 5 % of `height` to each side."""
        return int(height * 0.05) * 2 + 1

    @property
    def background_color(self) -> Color:
        """What replaces the background in the highlighted pictures."""
        return self.overlay_color


Style: TypeAlias = PaperStyle | V1Style
PRESETS: dict[str, type[Style]] = {"paper": PaperStyle, "v1": V1Style}
"""Every preset by its name."""


def style_options(preset: str, color: Color | None, blur: int | None, dilate: int | None) -> dict[str, Any]:
    """Return the preset and the options that were given, called as the preset calls them, for `make_style`.

    Args:
        preset: "paper" or "v1"; another one is for `make_style` to refuse.
        color: what replaces the background in the highlighted pictures; None, as of the others, leaves the default.
        blur: side in pixels of the kernel that blurs the background.
        dilate: side in pixels of the square that grows the mask; only "paper" has it.
    """
    named = {
        "overlay_color" if preset == "v1" else "fill_color": color,
        "blur_kernel_size": blur,
        "dilate_kernel_size": dilate,
    }
    return {"preset": preset, **{name: value for name, value in named.items() if value is not None}}


def make_style(preset: str, **options: Any) -> Style:
    """Build the style of a preset with some of its options replaced.

    Raises:
        OptionError: no such preset, an option that it does not have, or a value outside the option's range.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise OptionError(f"There is no preset {preset!r}: use {' or '.join(map(repr, PRESETS))}")
    known = [field.name for field in dataclasses.fields(PRESETS[preset])]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise OptionError(f"The preset {preset!r} has no option {unknown[0]!r}: it has {', '.join(known)}")
    return PRESETS[preset](**options)


def _kernel(name: str, size: Any) -> int:
    number = int(size) if isinstance(size, Integral) and not isinstance(size, bool) else 0
    if not 1 <= number <= MAX_KERNEL or number % 2 == 0:
        raise OptionError(f"{name} must be an odd number of pixels from 1 to {MAX_KERNEL}, not {size!r}")
    return number


def _color(name: str, color: Any) -> Color:
    try:
        red, green, blue = (int(part) if isinstance(part, Integral) else -1 for part in color)
    except (TypeError, ValueError):
        red = green = blue = -1
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise OptionError(f"{name} must be three numbers from 0 to 255 (red, green, blue), not {color!r}")
    return red, green, blue
