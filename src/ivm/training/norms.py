"""Batch normalisation over the pictures of all processes of a run, so that several take the steps of one.

PyTorch's own `SyncBatchNorm` works on GPUs alone.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, distributed, nn


class SharedNorms(LayerSync):
    """Lightning's hook: norms of a model in several processes become `SharedNorm`, with the same weights and names."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Let norms share what they see."""
        return _turned(model, nn.BatchNorm2d, SharedNorm)

    def revert(self, model: nn.Module) -> nn.Module:
        """Give each its own again."""
        return _turned(model, SharedNorm, nn.BatchNorm2d)


class SharedNorm(nn.BatchNorm2d):
    """A norm that trains by the mean and the variance of all processes (Ioffe and Szegedy, arXiv 1502.03167)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W); N, H and W may differ between processes."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None, "as `models.nano` makes them"
        assert self.running_var is not None
        x, over = input.float(), (0, 2, 3)
        count = x.new_tensor([x.numel() / x.shape[1]])
        total: Tensor = _Sum.apply(torch.cat([x.sum(over), x.square().sum(over), count]))  # type: ignore[no-untyped-call]
        count = total[-1].detach()
        mean, square = (total[:-1] / count).chunk(2)
        variance = (square - mean.square()).clamp(min=0)
        with torch.no_grad():
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum or 0.0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(input.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes, and of what comes back from them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


def _turned(model: nn.Module, old: type[nn.Module], new: type[nn.Module]) -> nn.Module:
    for module in model.modules():
        if type(module) is old:
            module.__class__ = new
    return model
