"""Rendered tables a second on one core: the fast renderer at 320x240, MuJoCo at 256x256, picture and ids each.

CPU time of this process, so that others on the machine count less, and the time on the wall beside it; the two take
turns. MuJoCo's figure holds its share of the studios: compiling the meshes and the drawing code of OpenGL, once every
100 scenes.

    python -m benchmarks.tabletop --scenes 200
    python -m benchmarks.tabletop --profile
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from collections.abc import Callable
from typing import Any

# OSMesa spreads its work over all cores unless told otherwise before it starts.
os.environ.setdefault("LP_NUM_THREADS", "0")

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ivm.core.errors import IvmError
from ivm.data.tabletop.mujoco_studio import MujocoScenes
from ivm.data.tabletop.scene import SceneOptions, render

BLOCK = 10
"""Scenes that one renderer draws before it is the other's turn."""


def seconds(draw: Callable[[int], Any], numbers: range) -> NDArray[np.float64]:
    """CPU time of this process and time on the wall of drawing scenes, (2,)."""
    started = time.process_time(), time.perf_counter()
    for number in numbers:
        draw(number)
    return np.subtract((time.process_time(), time.perf_counter()), started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100, help="of each renderer (default 100)")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args()
    scenes, fast = MujocoScenes(1), SceneOptions(width=320, height=240)
    ways: dict[str, Callable[[int], Any]] = {"fast, 320x240": lambda n: render((1, n), fast)}
    try:
        scenes.scene(0)
        ways["mujoco, 256x256"] = scenes.scene
    except IvmError as error:
        print(f"mujoco is left out: {error}")
    render(0, fast)  # compiles
    # MuJoCo starts with a studio of its own, as its scenes do every so often.
    scenes.close()
    if options.profile:
        for name, draw in ways.items():
            print(f"\n{name}")
            with cProfile.Profile() as profile:
                seconds(draw, range(options.scenes))
            pstats.Stats(profile).sort_stats("tottime").print_stats(18)
        return
    taken = {name: np.zeros(2) for name in ways}
    for start in range(0, options.scenes, BLOCK):
        for name, draw in ways.items():
            taken[name] += seconds(draw, range(start, min(start + BLOCK, options.scenes)))
    table = Table("renderer", "scenes a CPU second", "CPU ms a scene", "scenes a second on the wall", box=None)
    for name, (cpu, wall) in taken.items():
        each = 1000 * cpu / options.scenes
        table.add_row(name, f"{options.scenes / cpu:.1f}", f"{each:.1f}", f"{options.scenes / wall:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
