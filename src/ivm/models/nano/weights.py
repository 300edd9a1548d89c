"""The network of `ivm-nano` from files: a checkpoint of a training, or what stands beside exported graphs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from ivm.core.errors import CheckpointError
from ivm.models.nano.network import NanoConfig, NanoNetwork
from ivm.models.pickled import unpacked

WEIGHTS = "network.safetensors"
"""The network as PyTorch has it, in 16 bits, for a later run of training to start from; the graphs do without."""

_ORDERS = ("predictor.match.orders.weight", "predictor.match.orders.bias")
_READ_MATCH = ("predictor.place.weight", "predictor.matched.weight")
"""Convolutions whose last input channels are the match."""


def load_network(path: str | Path) -> NanoNetwork:
    """Load the averaged weights of a training checkpoint, or a `network.safetensors`; nothing in it is executed.

    Raises:
        CheckpointError: no checkpoint of `ivm train` or `ivm export`, or its keys do not fit the network.
    """
    read = _read_weights if Path(path).suffix == ".safetensors" else _read_checkpoint
    try:
        sizes, state = read(path)
        kinds, colors = (len(state[f"encoder.{name}.bias"]) for name in ("kinds", "colors"))
        network = NanoNetwork(NanoConfig(**sizes, kinds=kinds, colors=colors))
        network.load_state_dict(_widened(state, network))
    except (KeyError, TypeError, AttributeError, IndexError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path} is no checkpoint of `ivm train` for ivm-nano: {reason}") from None
    return network.eval()


def _widened(state: dict[str, Tensor], network: NanoNetwork) -> dict[str, Tensor]:
    """Give weights from before the `predictor.ORDERS` what they lack, so that they answer as they did."""
    if any(name in state for name in _ORDERS):
        return state
    new = network.state_dict()
    wide = state | {name: new[name] for name in _ORDERS}
    for name in _READ_MATCH:
        wide[name] = F.pad(state[name], (0, 0, 0, 0, 0, new[name].shape[1] - state[name].shape[1]))
    return wide


def averaged(first: NanoNetwork, second: NanoNetwork, share: float) -> NanoNetwork:
    """Average the weights of two stages of one training, which often beats both at no cost.

    Wortsman et al., "Robust fine-tuning of zero-shot models" (arXiv 2109.01903).

    Args:
        first: in evaluation mode; the other was trained on from it.
        second: of the same sizes.
        share: of the second, in [0, 1].

    Returns:
        A new network in evaluation mode.

    Raises:
        CheckpointError: they are of different sizes.
    """
    if first.config != second.config:
        raise CheckpointError("The two checkpoints are of networks of different sizes: average stages of one training")
    network = NanoNetwork(first.config)
    other = second.state_dict()
    network.load_state_dict(
        {
            name: value.lerp(other[name], share) if value.is_floating_point() else other[name]
            for name, value in first.state_dict().items()
        }
    )
    return network.eval()


def _read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the sizes and the weights of a checkpoint of Lightning."""
    checkpoint = unpacked(path)
    state = {name.removeprefix("network."): value for name, value in checkpoint["state_dict"].items()}
    return checkpoint["hyper_parameters"]["network"], state


def _read_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the sizes and the weights, widened to 32 bits, of what `export` wrote beside the graphs."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            sizes = json.loads((file.metadata() or {})["network"])
    except OSError as error:
        raise CheckpointError(f"No weights can be read at {path}: {error.strerror or error}") from None
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged, or no safetensors file: {error}") from None
    return sizes, {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def weights_file(network: NanoNetwork) -> bytes:
    """Serialise the network in 16 bits, with its sizes: the content of `WEIGHTS`, which `load_network` reads."""
    from safetensors.torch import save

    sizes = {k: v for k, v in dataclasses.asdict(network.config).items() if k not in ("kinds", "colors")}
    state = {
        name: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for name, value in network.state_dict().items()
    }
    return save(state, metadata={"network": json.dumps(sizes)})
