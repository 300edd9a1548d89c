"""Scenes as they are asked about to calibrate a model and to evaluate it: whole, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ivm.core.errors import OptionError
from ivm.data.tabletop.mujoco_studio import MujocoScenes
from ivm.data.tabletop.questions import Question, Questioner
from ivm.data.tabletop.scene import Scene, SceneOptions, render

SIZE = SceneOptions(width=640, height=480)

RENDERERS = ("fast", "mujoco")
"""Who may draw the scenes: the renderer that the tables of training come from, or MuJoCo."""


def painter(renderer: str, seed: int) -> Callable[[int], Scene]:
    """What draws scene number n of a seed, 640x480.

    Raises:
        OptionError: there is no such renderer.
    """
    if renderer == "fast":
        return lambda number: render((seed, number), SIZE, supersample=1)
    if renderer == "mujoco":
        return MujocoScenes(seed, SIZE, supersample=1).scene
    raise OptionError(f"renderer must be one of {', '.join(RENDERERS)}, not {renderer!r}")


def asked_scenes(scenes: int, questions: int, seed: int, renderer: str) -> Iterator[tuple[int, Scene, list[Question]]]:
    """Draw scenes 0, 1, ... of a seed, 640x480 each, and what is asked about each.

    Raises:
        OptionError: there is no such renderer.
        MissingExtraError: numba, or mujoco where it is asked for, is not installed.
        DeviceError: MuJoCo finds no OpenGL on this machine.
    """
    paint = painter(renderer, seed)
    for number in range(scenes):
        scene = paint(number)
        asker = Questioner(scene.ids, scene.things, np.random.default_rng((seed, number, 1)))
        yield number, scene, asker.ask(questions)
