"""The robot's camera: draws the table, its things and the gripper where the physics has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ivm.core.model import RGBImage
from ivm.data.tabletop.camera import photograph
from ivm.data.tabletop.layout import UNNAMED, Layout, Solid
from ivm.data.tabletop.look import material
from ivm.data.tabletop.mujoco_studio import Studio
from ivm.data.tabletop.shapes import Floats, Mesh, box, join, tube
from ivm.robotics.bench import FINGER, Bench
from ivm.robotics.setting import Setting, Specimens

ROBOT = UNNAMED
"""Id of the gripper in the segmentation; 0 is the table, things count from 1."""


def _palm() -> Mesh:
    arm = tube([(0, 0, 9), (0, 7, 26), (0, 22, 60)], 2.6, sides=12).part(1)
    return join(box(11, 4, 3).moved(offset=(0, 0, 6.5)), box(6, 5, 3).moved(offset=(0, 0, 8.5)).part(1), arm)


class Eye:
    """Takes pictures (size, size, 3) of a bench.

    Args:
        specimens: shapes of all things.
        size: side of the pictures in pixels.

    Raises:
        DeviceError: this machine has no OpenGL; the message says what to install.
        MissingExtraError: mujoco or numba is not installed.
    """

    def __init__(self, specimens: Specimens, size: int) -> None:
        self._finger, self._palm = box(*FINGER), _palm()
        shapes = [*specimens.of.values(), self._finger, self._palm]
        self._studio = Studio(shapes, width=size, height=size, supersample=1)
        rng = np.random.default_rng(0)
        self._dark, self._bright = material(rng, "black"), material(rng, "gray")

    def close(self) -> None:
        """Give the drawing context back."""
        self._studio.close()

    def shoot(self, setting: Setting, bench: Bench) -> tuple[RGBImage, NDArray[np.uint8]]:
        """Return the picture (size, size, 3) uint8, and ids (size, size) uint8: 0, things from 1, `ROBOT`."""
        look = setting.look
        solids = [self._thing(setting, bench, number) for number in range(len(setting.items))]
        tips, gaps = bench.tips, bench.gaps
        for side, gap in zip((-1, 1), gaps, strict=True):
            place = tips + np.array([side * (gap + FINGER[0] / 2), 0, 0])
            solids.append(_solid(self._finger, np.eye(3), 1.0, place, [self._dark], ROBOT))
        solids.append(_solid(self._palm, np.eye(3), 1.0, tips, [self._dark, self._bright], ROBOT))
        things = tuple(item.thing for item in setting.items)
        size = np.array([60.0, 60.0], np.float32)
        layout = Layout(look.camera, things, tuple(solids), look.table, size, look.light, look.backdrop)
        light, ids = self._studio.trace(layout)
        return photograph(light, np.random.default_rng(look.photo_seed)), ids

    @staticmethod
    def _thing(setting: Setting, bench: Bench, number: int) -> Solid:
        item = setting.items[number]
        place, turn = bench.pose(number)
        return _solid(item.mesh, turn, item.scale, place, item.materials, number + 1)


def _solid(
    shape: Mesh,
    turn: NDArray[np.float64],
    scale: float,
    place: NDArray[np.float64],
    materials: Sequence[Floats],
    number: int,
) -> Solid:
    turn32, place32 = np.asarray(turn, np.float32), np.asarray(place, np.float32)
    mesh = shape.moved(turn32, place32.tolist(), scale)
    return Solid(shape, turn32, scale, place32, mesh, mesh.vertices, place32, list(materials), number)
