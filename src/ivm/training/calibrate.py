"""Make the presence of a trained network a probability that means what it says."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ivm.data.tabletop.stream import TabletopStream
from ivm.models.nano.network import NanoNetwork

HELD_OUT_SEED = 900_001
"""Seed of the scenes for calibration; no recipe trains on it."""


def presence_logits(network: NanoNetwork, *, batches: int, seed: int = HELD_OUT_SEED) -> tuple[Tensor, Tensor]:
    """Ask about scenes that the network has not seen.

    Args:
        network: in evaluation mode.
        batches: of 16 fresh scenes with 4 questions each.
        seed: of the scenes.

    Returns:
        Presence logits (N,) float32 and the truth (N,) float32, 1 where the target is there.
    """
    stream = TabletopStream(seed=seed, fresh=16, pictures=16, memory=16, sizes=((256, 192),))
    logits, truth = [], []
    for batch, _ in zip(stream.batches(), range(batches), strict=False):
        image = torch.from_numpy(batch.image).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            answer = network(image, torch.from_numpy(batch.tokens), torch.from_numpy(batch.picture))[1]
        logits.append(answer)
        truth.append(torch.from_numpy(batch.present))
    return torch.cat(logits), torch.cat(truth)


def sample(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures of held-out scenes (N, H, W, 3) uint8 and the tokens of a question about each (N, L, P) int64."""
    stream = TabletopStream(
        seed=HELD_OUT_SEED,
        fresh=count,
        pictures=count,
        memory=count,
        questions=1,
        scene_size=(480, 352),
        sizes=((480, 352),),
    )
    batch = next(stream.batches())
    return batch.image, batch.tokens


def fit_calibration(logits: Tensor, truth: Tensor) -> tuple[float, float]:
    """Fit scale and bias so that sigmoid(scale * logit + bias) is calibrated (Platt, 1999).

    Args:
        logits: (N,) float.
        truth: (N,) float, 0 or 1.

    Returns:
        Scale and bias.
    """
    parameters = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], lr=0.5, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(parameters[0] * logits + parameters[1], truth)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    scale, bias = parameters.tolist()
    return scale, bias
