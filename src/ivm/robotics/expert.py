"""A scripted expert, which sees the physics: where to go next, from where everything is now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivm.robotics.bench import OPEN, Bench
from ivm.robotics.env import TabletopEnv, to_unit
from ivm.robotics.tasks import Task

HOVER = 11.0
"""Height in cm at which the gripper moves over things."""

_NEAR = 0.7
"""Distance in cm at which a place counts as reached."""

Command = tuple[NDArray[np.float64], bool]
"""Where the finger tips go, (3,) cm, and whether the fingers are closed."""


def act(env: TabletopEnv) -> NDArray[np.float32]:
    """Return the expert's action (4,) float32 for the environment as it is now."""
    task, bench = env.setting.task, env.bench
    place, close = _push(task, bench) if task.verb == "push" else _pick(env, task, bench)
    action = np.array([*to_unit(place), 1.0 if close else -1.0], np.float32)
    return np.clip(action, np.float32(-1), np.float32(1))


def _pick(env: TabletopEnv, task: Task, bench: Bench) -> Command:
    number = task.target - 1
    item, target, tips = env.setting.items[number], bench.standing(number), bench.tips
    grip = _at(target.place, target.place[2] + max(min(0.4 * target.height, 2.0), target.height - 5.0, 0.5))
    squeezed = bench.holds(number) and bench.gaps.max() < item.half[0] + 1.0
    if task.goal is not None:
        goal = bench.standing(task.goal - 1)
        over = np.linalg.norm(target.place[:2] - goal.place[:2])
        rests = target.place[2] < goal.place[2] + goal.height + 1.2
        if over < 0.6 * goal.radius and rests:
            away = bench.gaps.min() > 0.8 * OPEN
            return _at(tips, HOVER if away else tips[2]), False  # it lies there: let go, then leave
        if squeezed:
            # Above the plate it is let down, so that the middle of the thing, not of the gripper, comes over it.
            aim = goal.place + (tips - target.place) * [1, 1, 0]
            if over > 1.5:
                low = target.place[2] < 3.0 and over > goal.radius
                return (_at(tips, HOVER), True) if low else (_at(aim, HOVER), True)
            return _at(aim, tips[2] - target.place[2] + goal.place[2] + goal.height * 0.5), True
    elif squeezed:
        return _at(tips, HOVER + 3), True
    aside = float(np.linalg.norm(tips[:2] - grip[:2]))
    if aside > 1.2:
        return _at(grip, HOVER), False
    return grip, bool(aside < _NEAR and tips[2] - grip[2] < _NEAR)


def _push(task: Task, bench: Bench) -> Command:
    target, tips = bench.standing(task.target - 1), bench.tips
    sign = -1.0 if task.side == "left" else 1.0
    beside = target.place[0] - sign * (target.radius + 3.0)
    low = 1.5
    behind = (target.place[0] - tips[0]) * sign
    on_line = abs(float(tips[1] - target.place[1])) < 1.0
    if tips[2] < low + 1.5 and on_line and behind > 0:
        return np.array([target.place[0] + sign * 1.5, target.place[1], low]), True
    if abs(float(tips[0] - beside)) < 1.2 and on_line:
        return np.array([beside, target.place[1], low]), True
    return np.array([beside, target.place[1], HOVER]), True


def _at(place: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    return np.array([place[0], place[1], height])
