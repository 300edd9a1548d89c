"""`TabletopEnv`: a gripper above a table with named things, as a Gymnasium environment."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.model import RGBImage
from ivm.robotics.bench import HIGH, LOW, OPEN, STEP, Bench
from ivm.robotics.eye import Eye
from ivm.robotics.levels import level_of
from ivm.robotics.setting import Setting, Specimens, draw_setting
from ivm.robotics.tasks import VERBS, Standing, Verb, succeeded

Observation = dict[str, Any]

LETTERS = string.ascii_letters + string.digits + " ,.;:?!'-"
STATE_NAMES = ("x", "y", "z", "gap", "force")
ACTION_NAMES = ("x", "y", "z", "grip")
_FORCE = 6.0


class TabletopEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """Follow an instruction about things on a table.

    An action is where the finger tips shall go, absolute, each axis in [-1, 1] of the reach, and the grip: above 0
    closes the fingers. An observation holds

        image           (size, size, 3) uint8 RGB
        state           (5,) float32: x, y, z of the finger tips as in an action, gap and force, in [-1, 1]
        instruction     text, for example "pick up the red cup"
        segmentation    (size, size) uint8: 0 the table, things from 1, 255 the robot

    The reward is 1 in the step in which the task is done, which ends the episode, else 0. The seed of `reset` decides
    everything: the same seed and actions give the same pictures and rewards.

    Args:
        level: a name in `levels.LEVELS`.
        verbs: kinds of tasks, among "pick", "put" and "push".
        size: side of the pictures in pixels, 32 to 1024.
        others: things of training beside the one asked for.
        max_steps: control steps, of a tenth of a second, after which an episode is cut off.
        render_mode: "rgb_array" or None.

    Raises:
        OptionError: an argument is out of range.
        DeviceError: this machine has no OpenGL; the message says what to install.
        MissingExtraError: mujoco or numba is not installed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP)}  # noqa: RUF012

    def __init__(
        self,
        level: str = "trained",
        *,
        verbs: Sequence[Verb] = VERBS,
        size: int = 256,
        others: int = 2,
        max_steps: int = 60,
        render_mode: str | None = None,
    ) -> None:
        if not 32 <= size <= 1024 or max_steps < 1:
            raise OptionError(f"size must be from 32 to 1024 and max_steps at least 1, not {size} and {max_steps}")
        self.level, self.verbs, self.others, self.max_steps = level_of(level), tuple(verbs), others, max_steps
        self.render_mode = render_mode
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (size, size, 3), np.uint8),
                "state": spaces.Box(-1, 1, (len(STATE_NAMES),), np.float32),
                "instruction": spaces.Text(min_length=1, max_length=200, charset=LETTERS),
                "segmentation": spaces.Box(0, 255, (size, size), np.uint8),
            }
        )
        self.action_space = spaces.Box(-1, 1, (len(ACTION_NAMES),), np.float32)
        self._specimens = Specimens()
        self.bench = Bench()
        self._eye = Eye(self._specimens, size)
        self._setting: Setting | None = None
        self._start: Standing | None = None
        self._steps = 0
        self._image: RGBImage | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        super().reset(seed=seed)
        self._setting = draw_setting(self.np_random, self._specimens, self.level, self.verbs, self.others)
        tips = np.array([self.np_random.uniform(-8, 8), self.np_random.uniform(-5, 5), self.np_random.uniform(12, 15)])
        self.bench.reset(self._setting.items, tips)
        self._start, self._steps = self.bench.standing(self._setting.task.target - 1), 0
        return self._observe(), self._info(done=False)

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Go on for a tenth of a second; see `gymnasium.Env.step`.

        Raises:
            OptionError: the action is not (4,) finite numbers.
        """
        if self._setting is None:
            raise OptionError("The episode has not begun: call reset first")
        wanted = np.asarray(action, np.float64)
        if wanted.shape != (4,) or not np.isfinite(wanted).all():
            raise OptionError(f"An action is 4 finite numbers (x, y, z, grip), not {action!r}")
        wanted = np.clip(wanted, -1, 1)
        self.bench.step(to_cm(wanted[:3]), close=bool(wanted[3] > 0))
        self._steps += 1
        done = self._done()
        return self._observe(), float(done), done, not done and self._steps >= self.max_steps, self._info(done=done)

    def _done(self) -> bool:
        task = self.setting.task
        assert self._start is not None, "reset set it"
        goal = None if task.goal is None else self.bench.standing(task.goal - 1)
        target = self.bench.standing(task.target - 1)
        return succeeded(task, target, goal, self._start, held=self.bench.holds(task.target - 1))

    @property
    def setting(self) -> Setting:
        """What this episode began with.

        Raises:
            OptionError: no episode has begun.
        """
        if self._setting is None:
            raise OptionError("The episode has not begun: call reset first")
        return self._setting

    def _observe(self) -> Observation:
        self._image, ids = self._eye.shoot(self.setting, self.bench)
        return {
            "image": self._image,
            "state": self._state(),
            "instruction": self.setting.task.instruction,
            "segmentation": ids,
        }

    def _state(self) -> NDArray[np.float32]:
        gap = float(self.bench.gaps.mean()) / OPEN * 2 - 1
        values = [*to_unit(self.bench.tips), gap, self.bench.force / _FORCE]
        return np.clip(np.array(values, np.float32), -1, 1)

    def _info(self, *, done: bool) -> dict[str, Any]:
        task = self.setting.task
        return {"success": done, "verb": task.verb, "needed": task.needed}

    def render(self) -> RGBImage | None:
        """Return the last picture, (size, size, 3) uint8, in the mode "rgb_array"."""
        return self._image if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Give the drawing context back."""
        self._eye.close()


def to_cm(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map (3,) in [-1, 1] to finger tips in cm."""
    return np.asarray(LOW + (unit + 1) / 2 * (HIGH - LOW))


def to_unit(cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map finger tips (3,) in cm to [-1, 1]."""
    return np.asarray((cm - LOW) / (HIGH - LOW) * 2 - 1)
