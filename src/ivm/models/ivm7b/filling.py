"""Puts weights into an empty network one tensor at a time, so that there are never two copies of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ivm.models.ivm7b.int8 import Int8Linear
from ivm.models.ivm7b.network import Ivm7bNetwork
from ivm.models.ivm7b.openvino_encoder import OpenVinoEncoder
from ivm.models.ivm7b.placement import Placement
from ivm.models.ivm7b.weights import Stored

_ENCODER = "image_encoder."


def fill(network: Ivm7bNetwork, weights: Mapping[str, Stored], placement: Placement) -> None:
    """Give an empty network its weights.

    A tensor whose file has the wanted precision already stays memory-mapped on a CPU.

    Args:
        network: from `empty_network`.
        weights: exactly its tensors, by its names.
        placement: where each goes.

    Raises:
        DeviceError: OpenVINO does not compute in the precision asked for here.
        OutputError: OpenVINO's graph cannot be kept.
    """
    if placement.encoder == "openvino":
        # First, because what its conversion takes is free again before the language model comes.
        own = {name.removeprefix(_ENCODER): w for name, w in weights.items() if name.startswith(_ENCODER)}
        network.image_encoder = OpenVinoEncoder.open(network.image_encoder, own, placement.dtype)
        weights = {name: stored for name, stored in weights.items() if not name.startswith(_ENCODER)}
    for name, buffer in list(network.named_buffers()):  # rotations and positions, worked out by transformers
        _set(network, name, buffer.to(placement.device))
    for name, stored in weights.items():
        if placement.offloads(name):
            # Stays on "meta", in the precision to which accelerate will bring it.
            kind = placement.dtype_of(name, stored)
            _set(network, name, torch.empty(stored.shape, dtype=kind, device="meta"))
            continue
        if placement.quantizes(name, stored):
            _replace(network, name.removesuffix(".weight"), Int8Linear(stored.read(), placement.device))
        else:
            _set(network, name, stored.read().to(placement.device, placement.dtype_of(name, stored)))
    if placement.offload:
        _offload(network, weights, placement)


class _Lazy(Mapping[str, Tensor]):
    """A part's weights, read from their files whenever they are asked for."""

    def __init__(self, weights: Mapping[str, Stored], prefix: str, placement: Placement) -> None:
        self.weights, self.prefix, self.placement = weights, prefix, placement

    def __getitem__(self, name: str) -> Tensor:
        stored = self.weights[self.prefix + name]
        return stored.read().to(self.placement.dtype_of(self.prefix + name, stored))

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self.prefix) for name in self.weights if name.startswith(self.prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _offload(network: Ivm7bNetwork, weights: Mapping[str, Stored], placement: Placement) -> None:
    """Leave SAM's and LLaVA's weights in their files; accelerate's hooks bring each module's when it is called.

    The mask decoder stays where it computes: it reads its token's weight without calling the token's module, which
    no hook would see.
    """
    from accelerate import cpu_offload  # type: ignore[import-untyped]

    for part in ("image_encoder", "llava"):
        lazy = _Lazy(weights, f"{part}.", placement)
        cpu_offload(network.get_submodule(part), placement.device, state_dict=lazy)


def _set(network: nn.Module, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    module = network.get_submodule(path)
    if leaf in module._buffers:
        module._buffers[leaf] = tensor
    else:
        module._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    path, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(path), leaf, module)
