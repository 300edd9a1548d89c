"""Fully sharded data parallelism: each process keeps a part of every layer and gathers a layer while it works."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method


def shard(module: nn.Module, llava: Any, frozen: nn.Module, mesh: DeviceMesh) -> None:
    """Shard what is trained and what lies below it (PyTorch's FSDP2), in place.

    Args:
        module: whose `training_step` is the forward pass.
        llava: its language model, sharded layer by layer.
        frozen: a part without a gradient, which every process keeps whole.
        mesh: of the processes, one dimension.
    """
    for layer in llava.language_model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh, ignored_params=set(frozen.parameters()))
    register_fsdp_forward_method(module, "training_step")
