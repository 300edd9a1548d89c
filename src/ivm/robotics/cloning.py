"""Behaviour cloning: a policy learns the expert's actions from frames, in a run that can be interrupted."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivm.core.errors import TrainingError
from ivm.core.files import write_files
from ivm.data.parts import Progress, silent
from ivm.robotics.frames import Frames
from ivm.robotics.network import PolicyNetwork, chunk_loss
from ivm.robotics.policy import Policy, read_checkpoint
from ivm.robotics.recipe import Arm, RobotRecipe

WARM_UP = 100
"""Steps of linear rise of the learning rate."""

STATE_NOISE = 0.02
COLOR_NOISE = 0.1
"""Standard deviations of what is added to states, and by what colours are multiplied, in training."""

_RUN = "ivm-robot-training-1"


def train_policy(
    frames: Frames, recipe: RobotRecipe, arm: Arm, seed: int, output: str | Path, *, progress: Progress = silent
) -> Path:
    """Train a policy; a run that was interrupted goes on from its last checkpoint, and a finished one is kept.

    Args:
        frames: see `frames.load_frames`.
        recipe: steps, batch, rate and sizes.
        arm: what the pictures show, for the augmentation and for the record.
        seed: of weights and batches.
        output: file of the policy; the checkpoint lies beside it while the run lasts.
        progress: told how many steps are done, of how many.

    Returns:
        The file.

    Raises:
        TrainingError: the loss is no longer a number, or the file is of another recipe.
        CheckpointError: the file or the checkpoint is damaged.
        OutputError: it cannot be written.
    """
    path = Path(output)
    checkpoint = path.with_suffix(".part")
    about = {"arm": vars(arm).copy(), "seed": seed, "steps": recipe.steps, "frames": len(frames.pictures)}
    if path.is_file():
        if Policy.load(path).about.get("made_from") != about:
            raise TrainingError(f"{path} was trained by another recipe: delete it, or choose another folder")
        return path
    torch.manual_seed(seed)
    network = PolicyNetwork(recipe.network_sizes(channels=frames.pictures.shape[-1]))
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=1e-3)
    start = _resume(checkpoint, network, optimiser, about)
    batches = _Batches(frames, recipe, arm, seed)
    network.train()
    for step in range(start, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _rate(step, recipe.steps)
        inputs, wanted, there = batches.draw(step)
        loss = chunk_loss(network(*inputs), wanted, there)
        if not torch.isfinite(loss):
            raise TrainingError(f"The loss is no number at step {step}: lower learning_rate, and delete {checkpoint}")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        done = step + 1
        if done % recipe.save_every == 0 and done < recipe.steps:
            _keep(checkpoint, network, optimiser, done, about)
        progress(done, recipe.steps)
    Policy(network, recipe.picture, recipe.execute, {"made_from": about}).save(path)
    checkpoint.unlink(missing_ok=True)
    return path


def _rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _keep(
    path: Path, network: PolicyNetwork, optimiser: torch.optim.Optimizer, step: int, about: dict[str, Any]
) -> None:
    buffer = io.BytesIO()
    state = {"format": _RUN, "about": about, "step": step, "weights": network.state_dict()}
    torch.save({**state, "optimiser": optimiser.state_dict()}, buffer)
    write_files([(path, buffer.getvalue())])


def _resume(path: Path, network: PolicyNetwork, optimiser: torch.optim.Optimizer, about: dict[str, Any]) -> int:
    """Take over a checkpoint, if there is one; return the step to go on with."""
    if not path.is_file():
        return 0
    kept = read_checkpoint(path)
    if kept.get("format") != _RUN or kept["about"] != about:
        raise TrainingError(f"{path} belongs to another recipe: delete it, or choose another folder")
    network.load_state_dict(kept["weights"])
    optimiser.load_state_dict(kept["optimiser"])
    return int(kept["step"])


class _Batches:
    """Draws batches; a step's depends on the seed and the step alone, so that a resumed run is the same."""

    def __init__(self, frames: Frames, recipe: RobotRecipe, arm: Arm, seed: int) -> None:
        self._frames, self._size, self._augment, self._seed = frames, recipe.batch, arm.augment, seed

    def draw(self, step: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor]:
        rng, frames = np.random.default_rng((8, self._seed, step)), self._frames
        rows = rng.integers(len(frames.pictures), size=self._size)
        pictures = frames.pictures[rows].astype(np.float32) / np.float32(255)
        if self._augment:
            paint_tables(pictures, frames.table[rows], rng)
        gain = 1 + COLOR_NOISE * rng.standard_normal((len(rows), 1, 1, 3), np.float32)
        pictures[..., :3] = np.clip(pictures[..., :3] * gain, 0, 1)
        states = frames.states[rows] + STATE_NOISE * rng.standard_normal(frames.states[rows].shape, np.float32)
        inputs = (
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, 1))),
            torch.from_numpy(states),
            torch.from_numpy(frames.tokens[frames.task[rows]]),
        )
        return inputs, torch.from_numpy(frames.chunks[rows]), torch.from_numpy(frames.there[rows])


def paint_tables(
    pictures: NDArray[Any],
    table: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """Paint bare tables over, in place, three pictures in four: a colour, with waves of another one.

    The baseline that needs no mask at work: random textures behind the things (GreenAug-Rand, arXiv 2407.07868).

    Args:
        pictures: (B, S, S, C) float32 in [0, 1].
        table: (B, S, S) bool.
        rng: draws colours and waves.
    """
    size = pictures.shape[1]
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    for picture, bare in zip(pictures, table, strict=True):
        if rng.random() < 0.25:
            continue
        first, second = rng.random((2, 3), np.float32)
        pace = rng.uniform(-30, 30, 4)
        mix = 0.5 + 0.5 * np.sin(pace[0] * rows + pace[1] * columns + np.sin(pace[2] * rows + pace[3] * columns))
        paper = first + (second - first) * (mix[..., None] * np.float32(rng.random())).astype(np.float32)
        picture[..., :3][bare] = paper[bare]
