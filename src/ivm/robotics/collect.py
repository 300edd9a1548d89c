"""Demonstrations: the scripted expert at work, with small pushes off its way, written as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ivm.data.parts import Progress, silent
from ivm.robotics.dataset import DatasetWriter
from ivm.robotics.env import ACTION_NAMES, STATE_NAMES, TabletopEnv
from ivm.robotics.expert import act
from ivm.robotics.features import ACTION, CAMERA, STATE, image_feature, vector_feature
from ivm.robotics.tasks import VERBS, Verb

FIRST_SEED = 1_000_000
"""Seeds of demonstrations are at least this, those of rollouts are below it."""


def collect(
    output: str | Path,
    *,
    episodes: int,
    seed: int = 0,
    verbs: Sequence[Verb] = VERBS,
    size: int = 128,
    others: int = 2,
    noise: float = 0.12,
    progress: Progress = silent,
) -> Path:
    """Write demonstrations; a run that was interrupted goes on after its last whole file.

    The expert's action is written, a disturbed one is executed now and then (Laskey et al., "DART: Noise Injection
    for Robust Imitation Learning", CoRL 2017), so that the data show how to come back. Failed episodes are left out.

    Args:
        output: folder of the data set.
        episodes: how many.
        seed: other seeds give other episodes.
        verbs: kinds of tasks.
        size: side of the pictures in pixels.
        others: things beside the one asked for.
        noise: standard deviation of a disturbance, of the half of each axis' reach; 0 disturbs nothing.
        progress: told how many episodes are done, of how many.

    Returns:
        The folder.

    Raises:
        OptionError: an argument is out of range.
        DataError: the folder holds other data.
        OutputError: it cannot be written.
        DeviceError: this machine has no OpenGL.
    """
    features = {
        CAMERA: image_feature(size, size),
        STATE: vector_feature(STATE_NAMES),
        ACTION: vector_feature(ACTION_NAMES),
    }
    env = TabletopEnv("trained", verbs=verbs, size=size, others=others)
    try:
        with DatasetWriter(output, features, fps=env.metadata["render_fps"], robot="ivm_gantry") as writer:
            while writer.episodes < episodes:
                _demonstrate(env, writer, FIRST_SEED * (1 + seed) + writer.episodes, noise)
                progress(writer.episodes, episodes)
    finally:
        env.close()
    return Path(output)


def _demonstrate(env: TabletopEnv, writer: DatasetWriter, seed: int, noise: float) -> None:
    """Write the episode of a seed; where the expert fails, the next of the episode's own seeds."""
    for attempt in range(100):
        rng = np.random.default_rng((5, seed, attempt))
        drawn = int(rng.integers(1 << 31))
        observation, info = env.reset(seed=drawn if drawn >= FIRST_SEED else drawn + FIRST_SEED)
        done = cut = False
        while not (done or cut):
            action = act(env)
            frame = {CAMERA: observation["image"], STATE: observation["state"], ACTION: action}
            writer.add_frame(frame, ids=observation["segmentation"])
            if noise and rng.random() < 0.3:
                action = np.clip(action + np.append(rng.normal(0, noise, 3), 0), -1, 1).astype(np.float32)
            observation, _, done, cut, info = env.step(action)
        if done:
            writer.save_episode(observation["instruction"], needed=info["needed"])
            return
        writer.drop_episode()
    raise AssertionError("the expert fails a hundred times in a row")
