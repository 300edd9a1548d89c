"""Rollouts: a trained policy at work on the table, with the masks of an arm, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import Heatmap, RGBImage
from ivm.robotics.env import TabletopEnv
from ivm.robotics.eye import ROBOT
from ivm.robotics.fills import Fill, filled
from ivm.robotics.policy import Policy
from ivm.robotics.sources import Masks


@dataclass(frozen=True)
class Outcome:
    """How an episode ended."""

    seed: int
    instruction: str
    success: bool
    steps: int
    kept_whole: int
    """Frames whose picture was kept whole although masks were asked for."""
    overlap: float | None
    """Mean intersection over union of what was kept of the things and what was needed; None without masks."""


Watch = Callable[[RGBImage, Heatmap | None, NDArray[np.uint8]], object]
"""Called with each frame: the picture, what is kept of it, and what the policy sees."""


def roll_out(
    env: TabletopEnv, policy: Policy, masks: Masks, fill: Fill, seed: int, *, watch: Watch | None = None
) -> Outcome:
    """Let a policy work through an episode.

    Args:
        env: the table.
        policy: what acts.
        masks: where masks come from.
        fill: what replaces the rest.
        seed: of the episode.
        watch: see `Watch`.

    Raises:
        OptionError: the policy sees other channels than the fill gives.
        ModelError: the mask model failed.
    """
    observation, info = env.reset(seed=seed)
    policy.reset()
    instruction = observation["instruction"]
    masks.begin(instruction, info["needed"], seed)
    done = cut = False
    steps = whole = 0
    overlaps: list[float] = []
    while not (done or cut):
        image, ids = observation["image"], observation["segmentation"]
        soft = masks.mask(image, ids)
        seen = filled(image, soft, fill)
        if fill != "none":
            whole += soft is None
            overlaps.append(_overlap(soft, ids, info["needed"]))
        if watch:
            watch(image, soft, seen)
        observation, _, done, cut, info = env.step(policy.act(seen, observation["state"], instruction))
        steps += 1
    if watch:
        watch(observation["image"], None, observation["image"])
    overlap = float(np.mean(overlaps)) if overlaps else None
    return Outcome(seed, instruction, bool(done), steps, whole, overlap)


def _overlap(soft: Heatmap | None, ids: NDArray[np.uint8], needed: tuple[int, ...]) -> float:
    """How well a mask fits the things that are needed, the robot left out."""
    counted = ids != ROBOT
    truth = np.isin(ids, needed) & counted
    kept = (np.ones(ids.shape, np.bool_) if soft is None else soft > 0.5) & counted
    return float((truth & kept).sum() / max((truth | kept).sum(), 1))
