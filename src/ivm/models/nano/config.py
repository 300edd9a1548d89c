"""Sizes of an `ivm-nano`."""

from __future__ import annotations

from dataclasses import dataclass

from ivm.core.errors import OptionError

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each stage of the trunk."""

EXPANSION = 6
"""How much wider an inverted residual is inside, but for the first stage, where it is not."""

PICTURE_HEADS = 4
"""Attention heads of the picture's side."""


@dataclass(frozen=True, kw_only=True)
class NanoConfig:
    """Sizes of an `ivm-nano`.

    Attributes:
        stem: channels after the first convolution, at stride 2.
        widths: channels of the trunk's stages, which are at strides 2, 4, 8, 16, 16, 32 and 32.
        blocks: inverted residuals of each stage.
        decoder: channels of the predictor at strides 4, 8 and 16.
        text_width: D, channels of the text transformer.
        text_layers: its layers.
        text_heads: its attention heads.
        semantic: channels behind the maps of kinds and colours.
        kinds: classes of the map of kinds, background (class 0) among them.
        colors: classes of the map of colours, likewise.
    """

    stem: int = 32
    widths: tuple[int, ...] = (16, 24, 32, 64, 96, 160, 320)
    blocks: tuple[int, ...] = (1, 2, 3, 4, 3, 3, 1)
    decoder: tuple[int, int, int] = (24, 48, 96)
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    semantic: int = 96
    kinds: int = 1
    colors: int = 1

    def __post_init__(self) -> None:
        """Check sizes.

        Raises:
            OptionError: a size is impossible; the message names it.
        """
        for name, count in (("widths", len(STRIDES)), ("blocks", len(STRIDES)), ("decoder", 3)):
            sizes = getattr(self, name)
            if not isinstance(sizes, list | tuple) or len(sizes) != count or not all(map(_positive, sizes)):
                raise OptionError(f"{name} must be {count} whole numbers above 0, not {sizes!r}")
            object.__setattr__(self, name, tuple(sizes))  # a recipe and a checkpoint have lists
        for name in ("stem", "text_width", "text_layers", "text_heads", "semantic", "kinds", "colors"):
            if not _positive(getattr(self, name)):
                raise OptionError(f"{name} must be a whole number above 0, not {getattr(self, name)!r}")
        if self.text_width % self.text_heads:
            raise OptionError(f"text_width must be a multiple of text_heads, {self.text_heads}, not {self.text_width}")
        if self.decoder[2] % PICTURE_HEADS:
            raise OptionError(f"decoder must end with a multiple of {PICTURE_HEADS}, not {self.decoder[2]}")


def _positive(value: object) -> bool:
    return type(value) is int and value > 0
