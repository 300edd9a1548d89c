"""The table's physics: a gantry with two fingers and a fixed number of bodies that become any things.

The model is compiled once. A new episode only writes sizes, masses and places into it, which costs microseconds.
Lengths outside this file are centimetres, inside MuJoCo metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional
from ivm.robotics.setting import MOST_THINGS, Item
from ivm.robotics.tasks import Standing

METRE = 0.01
OPEN = 4.2
"""Half of the widest gap between the fingers, in cm."""

LOW, HIGH = np.array([-21.0, -12.0, 0.5]), np.array([21.0, 12.0, 16.0])
"""Where the finger tips can be, (3,) cm."""

SPEED = 4.0
"""Greatest way of the finger tips in a control step, in cm."""

STEP = 0.1
"""Seconds of a control step."""

_SUBSTEPS = 25
_SETTLE = 60
"""Physics steps before the first picture, in which things come to rest."""

FINGER = (1.2, 2.0, 6.5)
"""Sides of a finger in cm."""

_GRIPPER = """
<body name="hand" gravcomp="1">
  <inertial pos="0 0 .1" mass=".4" diaginertia="1e-3 1e-3 1e-3"/>
  <joint name="x" type="slide" axis="1 0 0"/><joint name="y" type="slide" axis="0 1 0"/>
  <joint name="z" type="slide" axis="0 0 1"/>
  <geom type="box" size=".055 .02 .015" pos="0 0 .08" contype="2" conaffinity="0" mass="0"/>
  <body name="left" gravcomp="1"><joint name="left" type="slide" axis="-1 0 0" range="0 .042" limited="true"/>
    <geom name="left" class="finger" pos="-.006 0 .0325"/></body>
  <body name="right" gravcomp="1"><joint name="right" type="slide" axis="1 0 0" range="0 .042" limited="true"/>
    <geom name="right" class="finger" pos=".006 0 .0325"/></body>
</body>"""

_MODEL = """<mujoco>
<option timestep=".004" integrator="implicitfast" cone="elliptic" impratio="10"/>
<default>
  <geom condim="4" friction="1 .02 .001" solref=".008 1"/>
  <default class="finger">
    <geom type="box" size=".006 .01 .0325" contype="2" conaffinity="0" friction="2 .05 .001" mass=".05"/>
  </default>
</default>
<worldbody>
  <geom name="table" type="plane" size="2 2 .1"/>{gripper}{things}
</worldbody>
<equality><joint joint1="left" joint2="right" solref=".004 1"/></equality>
<actuator>
  <position joint="x" kp="1500" kv="55" forcerange="-60 60"/><position joint="y" kp="1500" kv="55" forcerange="-60 60"/>
  <position joint="z" kp="1500" kv="55" forcerange="-60 60"/>
  <position joint="left" kp="500" kv="10" forcerange="-6 6"/>
  <position joint="right" kp="500" kv="10" forcerange="-6 6"/>
</actuator></mujoco>"""

_THING = """
<body name="thing{0}" pos="{0} 5 .05"><freejoint/>
  <geom name="thing{0}" type="cylinder" size=".02 .02 .02" mass=".06" conaffinity="3"/></body>"""


class Bench:
    """A gripper above a table on which up to `MOST_THINGS` things lie.

    Raises:
        MissingExtraError: mujoco is not installed.
    """

    def __init__(self) -> None:
        self._mujoco = optional("mujoco", extra="robot")
        things = "".join(_THING.format(i) for i in range(MOST_THINGS))
        self._model = self._mujoco.MjModel.from_xml_string(_MODEL.format(gripper=_GRIPPER, things=things))
        self._data = self._mujoco.MjData(self._model)
        self._bodies = [self._model.body(f"thing{i}").id for i in range(MOST_THINGS)]
        self._geoms = [self._model.geom(f"thing{i}").id for i in range(MOST_THINGS)]
        self._fingers = self._model.geom("left").id, self._model.geom("right").id
        self._items: tuple[Item, ...] = ()
        self._set_point = np.zeros(3)

    def reset(self, items: tuple[Item, ...], tips: NDArray[np.float64]) -> None:
        """Lay out things, `tips` (3,) cm the finger tips, and let everything come to rest."""
        self._items, model, data = items, self._model, self._data
        self._mujoco.mj_resetData(model, data)
        for number, (body, geom) in enumerate(zip(self._bodies, self._geoms, strict=True)):
            item = items[number] if number < len(items) else None
            model.geom_conaffinity[geom], model.geom_contype[geom] = (3, 1) if item else (0, 0)
            model.body_gravcomp[body] = 0 if item else 1
            if item is not None:
                self._become(number, item)
        self._mujoco.mj_setConst(model, data)
        self._mujoco.mj_resetData(model, data)
        for number, item in enumerate(items):
            half = np.deg2rad(item.yaw) / 2
            place = np.array([item.x, item.y, item.half[2] + 0.05]) * METRE
            data.qpos[5 + 7 * number : 12 + 7 * number] = [*place, np.cos(half), 0, 0, np.sin(half)]
        data.qpos[:3], data.qpos[3:5] = tips * METRE, OPEN * METRE
        self._set_point = tips.copy()
        self._control(OPEN)
        self._mujoco.mj_step(model, data, nstep=_SETTLE)
        self._mujoco.mj_forward(model, data)

    def _become(self, number: int, item: Item) -> None:
        model, geom, body = self._model, self._geoms[number], self._bodies[number]
        kinds = self._mujoco.mjtGeom
        half = np.array(item.half) * METRE
        model.geom_type[geom] = (kinds.mjGEOM_BOX if item.is_box else kinds.mjGEOM_CYLINDER).value
        model.geom_size[geom] = half if item.is_box else [half[0], half[2], 0]
        model.geom_rbound[geom] = float(np.linalg.norm(half))
        model.geom_aabb[geom] = [0, 0, 0, *half]
        mass = float(model.body_mass[body])
        squares = np.square(half)
        if item.is_box:
            model.body_inertia[body] = mass / 3 * (squares.sum() - squares)
        else:
            side = mass * (squares[0] / 4 + squares[2] / 3)
            model.body_inertia[body] = [side, side, mass * squares[0] / 2]

    def step(self, command: NDArray[np.float64], *, close: bool) -> None:
        """Go on for a control step: the finger tips towards `command` (3,) cm, the fingers closed or opened."""
        way = np.clip(command, LOW, HIGH) - self._set_point
        far = float(np.linalg.norm(way))
        self._set_point = self._set_point + way * min(1.0, SPEED / max(far, 1e-9))
        self._control(-0.5 if close else OPEN)
        self._mujoco.mj_step(self._model, self._data, nstep=_SUBSTEPS)
        self._mujoco.mj_forward(self._model, self._data)

    def _control(self, gap: float) -> None:
        self._data.ctrl[:3], self._data.ctrl[3:] = self._set_point * METRE, gap * METRE

    @property
    def tips(self) -> NDArray[np.float64]:
        """The point between the finger tips, (3,) cm."""
        return np.asarray(self._data.qpos[:3] / METRE)

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Way of each finger from the middle, (2,) cm."""
        return np.asarray(self._data.qpos[3:5] / METRE)

    @property
    def force(self) -> float:
        """With which the fingers press, in newtons; negative when they close."""
        return float(self._data.actuator_force[3:].mean())

    def pose(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Middle of the lower side (3,) cm, and rotation (3, 3), of thing `number` from 0."""
        body = self._bodies[number]
        turn = np.array(self._data.xmat[body]).reshape(3, 3)
        return np.array(self._data.xpos[body]) / METRE - turn[:, 2] * self._items[number].half[2], turn

    def standing(self, number: int) -> Standing:
        """Where thing `number` is, from 0."""
        start = 5 + 6 * number
        item = self._items[number]
        speed = float(np.linalg.norm(self._data.qvel[start : start + 3])) / METRE
        return Standing(self.pose(number)[0], speed, item.radius, 2 * item.half[2])

    def holds(self, number: int) -> bool:
        """Whether both fingers touch thing `number`, from 0."""
        geom, touching = self._geoms[number], set[int]()
        contact: Any = self._data.contact
        for pair in contact.geom[: self._data.ncon].tolist():
            if geom in pair:
                touching.update(pair)
        return set(self._fingers) <= touching
