"""The smallest recipe that trains: a network of a few thousand weights, four steps on 64 x 64 pictures."""

from __future__ import annotations

from typing import Any

import torch

from ivm.models.nano.network import NanoConfig, NanoNetwork

TINY_NETWORK: dict[str, Any] = {
    "stem": 8,
    "widths": [8, 8, 8, 8, 8, 8, 8],
    "blocks": [1, 1, 1, 1, 1, 1, 1],
    "decoder": [8, 8, 8],
    "text_width": 16,
    "text_layers": 1,
}

TINY_RECIPE: dict[str, Any] = {
    "processes": 1,
    "steps": 4,
    "warmup": 1,
    "ema": 0.5,
    "network": TINY_NETWORK,
    "data": {"pictures": 2, "questions": 2, "fresh": 2, "scene_size": [64, 64], "sizes": [[64, 64]]},
}


def tiny_checkpoint(**changes: Any) -> dict[str, Any]:
    """What a run of the tiny recipe saves, as far as an export reads it; `changes` replace entries."""
    torch.manual_seed(0)
    network = NanoNetwork(NanoConfig(**TINY_NETWORK, kinds=5, colors=3))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    return {"state_dict": state, "hyper_parameters": {"network": TINY_NETWORK}} | changes
