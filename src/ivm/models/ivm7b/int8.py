"""Linear layers in int8: half of 16 bits, and on a CPU about twice as fast.

Weights have one scale a row. On a CPU activations become int8 as well, with one scale a token, and oneDNN multiplies
integers; on other devices the weights are widened when they are used (weight-only).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CENTER = 128
"""oneDNN takes activations as uint8, so zero is in the middle."""


class Int8Linear(nn.Module):
    """A linear layer without bias whose weights are int8."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, device: torch.device) -> None:
        """Quantise a weight (out, in) of any float dtype; `weight` may be dropped afterwards."""
        super().__init__()
        wide = weight.to(device, torch.float32)
        scale = (wide.abs().amax(dim=1) / 127).clamp_(min=torch.finfo(torch.float32).tiny)
        codes = (wide / scale[:, None]).round_().to(torch.int8)
        self.integers = device.type == "cpu" and _has_onednn()
        # Without VNNI instructions two products are added in 16 bits, so activations must leave one bit free.
        self.levels = 127 if _has_vnni() else 63
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer(
            "weight", torch.ops.onednn.qlinear_prepack(codes, None) if self.integers else codes, persistent=False
        )
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply (..., in) of any float dtype; the result has the same."""
        if not self.integers:
            return F.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        rows = x.reshape(-1, x.shape[-1]).float()
        step = (rows.abs().amax(dim=1, keepdim=True) / self.levels).clamp_(min=torch.finfo(torch.float32).tiny)
        half = torch.tensor(_CENTER + 0.5)  # the conversion cuts off, which then rounds
        codes = torch.addcmul(half, rows, step.reciprocal()).to(torch.uint8)
        product = torch.ops.onednn.qlinear_pointwise(
            codes, 1.0, _CENTER, self.weight, self.scale, self.zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        scaled: Tensor = product.mul_(step).to(x.dtype)
        return scaled.reshape(*x.shape[:-1], -1)


def _has_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.onednn, "qlinear_pointwise")


def _has_vnni() -> bool:
    supported = getattr(torch.cpu, "_is_vnni_supported", None)
    return bool(supported and supported())
