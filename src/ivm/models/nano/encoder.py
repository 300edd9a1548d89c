"""The costly half of `ivm-nano`: from a picture to features, once a picture.

Shape suffixes: B pictures, C channels, K classes, H and W pixels. `f4` is a feature map at a quarter of the picture's
height and width, and so on.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ivm.core.errors import CheckpointError
from ivm.models.nano.config import EXPANSION, STRIDES, NanoConfig


class Features(NamedTuple):
    """What the encoder knows of B pictures; names are those of the exported graphs."""

    f4: Tensor
    """(B, C4, H/4, W/4)"""
    f8: Tensor
    """(B, C8, H/8, W/8)"""
    f16: Tensor
    """(B, C16, H/16, W/16)"""
    kinds: Tensor
    """(B, K, H/8, W/8), logits of what each place shows"""
    colors: Tensor
    """(B, K, H/8, W/8), logits of its colour"""


def conv(
    channels_in: int, channels_out: int, size: int = 3, stride: int = 1, padding: int | None = None
) -> nn.Sequential:
    """A convolution of `size`, a norm, ReLU; without `padding`, as much as keeps sides multiples of `stride`."""
    around = size // 2 if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, size, stride, around, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def twice(x: Tensor) -> Tensor:
    """Enlarge a map to twice its height and width."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class _Inverted(nn.Module):
    """A block of MobileNetV2: widen, look around in each channel by itself, narrow."""

    def __init__(self, width_in: int, width_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width_in * expansion
        self.expand = nn.Conv2d(width_in, inner, 1) if expansion > 1 else None
        self.depth = nn.Conv2d(inner, inner, 3, stride, stride % 2, groups=inner)
        self.project = nn.Conv2d(inner, width_out, 1)
        self.stride, self.skip = stride, stride == 1 and width_in == width_out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        if self.stride == 2:
            y = F.pad(y, _AFTER)
        narrow: Tensor = self.project(F.relu6(self.depth(y)))
        return x + narrow if self.skip else narrow


_AFTER = (0, 1, 0, 1)
"""Where TensorFlow pads a map of even sides before a convolution of stride 2."""


class Trunk(nn.Module):
    """MobileNetV2 (Sandler et al., arXiv 1801.04381), its norms folded into the convolutions."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, config.stem, 3, 2)
        width = config.stem
        stages: list[nn.Module] = []
        for place, (width_out, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            blocks = []
            for i in range(count):
                stride = STRIDES[place] if i == 0 else 1
                blocks.append(_Inverted(width, width_out, stride, EXPANSION if place else 1))
                width = width_out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def first(self, count: int) -> list[nn.Module]:
        """Return the first stages, with all that is before them."""
        return [self.stem, *self.stages[:count]] if count else []

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return maps at strides 4, 8, 16 and 32 of a picture (B, 3, H, W) in [-1, 1]."""
        x = F.relu6(self.stem(F.pad(x, _AFTER)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1], maps[2], maps[4], maps[6]


def load_trunk(trunk: Trunk, path: str | Path) -> None:
    """Give a trunk the weights that `scripts/trunk_weights.py` wrote.

    Raises:
        CheckpointError: the file is missing, damaged, or of a trunk of other sizes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        trunk.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} holds no weights for the trunk of this network: {reason}") from None


class Encoder(nn.Module):
    """A trunk to stride 32, a feature pyramid back to stride 4, and what the picture's own colours say."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        w4, w8, w16, w32 = (config.widths[i] for i in (1, 2, 4, 6))
        self.trunk = Trunk(config)
        c4, c8, c16 = config.decoder
        self.lateral = nn.ModuleList(nn.Conv2d(w, c, 1) for w, c in ((w4, c4), (w8, c8), (w16, c16)))
        self.down = nn.ModuleList((nn.Conv2d(w32, c16, 1), nn.Conv2d(c16, c8, 1), nn.Conv2d(c8, c4, 1)))
        self.merge = nn.ModuleList(conv(c, c) for c in (c4, c8, c16))
        self.classes = nn.ModuleList(nn.Conv2d(w, config.semantic, 1) for w in (w8, w16, w32))
        self.semantic = conv(config.semantic, config.semantic)
        # The trunk was trained to tell things apart whatever their colour: edges and colours have a way of their own.
        self.raw = conv(3, c4, 8, 4, 2)
        self.paint = conv(c4, config.semantic // 2, 3, 2)
        self.kinds = nn.Conv2d(config.semantic, config.kinds, 1)
        self.colors = nn.Conv2d(config.semantic + config.semantic // 2, config.colors, 1)

    def forward(self, image: Tensor) -> Features:
        """Encode pictures.

        Args:
            image: (B, 3, H, W) float32 RGB in [0, 255]; H and W are multiples of 32.
        """
        x = image / 127.5 - 1
        maps, raw = self.trunk(x), self.raw(x)
        top = self.down[0](maps[3])
        pyramid: list[Tensor] = []
        for level in (2, 1, 0):
            merged = self.lateral[level](maps[level]) + twice(top)
            pyramid.append(self.merge[level](merged if level else merged + raw))
            if level:
                top = self.down[3 - level](pyramid[-1])
        s8, s16, s32 = (narrow(x) for narrow, x in zip(self.classes, maps[1:], strict=True))
        meaning = self.semantic(s8 + twice(s16 + twice(s32)))
        painted = torch.cat([meaning, self.paint(raw)], 1)
        return Features(pyramid[2], pyramid[1], pyramid[0], self.kinds(meaning), self.colors(painted))
