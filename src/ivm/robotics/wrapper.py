"""Masking as a switch in front of a policy: a Gymnasium wrapper."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.robotics.fills import Fill, channels, check_fill, filled
from ivm.robotics.stream import MaskStream, StreamMask

Dict = dict[str, Any]


class MaskObservation(gymnasium.ObservationWrapper[Dict, Any, Dict]):
    """Masks a camera's pictures by the instruction that the observation holds.

    Args:
        env: its observations are a dictionary with a picture and an instruction.
        stream: the masks; this wrapper resets it.
        fill: what replaces the rest, see `fills.FILLS`.
        image: key of the picture.
        instruction: key of the instruction.
        segmentation: key of ids of things, if the environment has them, in which `robot` is the robot's.
        robot: the robot's id.

    Raises:
        OptionError: the environment has no such keys, or there is no such fill.
    """

    def __init__(
        self,
        env: gymnasium.Env[Dict, Any],
        stream: MaskStream,
        *,
        fill: Fill = "white",
        image: str = "image",
        instruction: str = "instruction",
        segmentation: str | None = "segmentation",
        robot: int = 255,
    ) -> None:
        super().__init__(env)
        self.stream, self.fill, self.robot = stream, check_fill(fill), robot
        self._image, self._instruction = image, instruction
        inner = env.observation_space
        if not isinstance(inner, spaces.Dict):
            raise OptionError(f"Masking needs observations that are a dictionary, not {type(inner).__name__}")
        for what, key in (("camera", image), ("instruction", instruction)):
            if key not in inner.spaces:
                raise OptionError(
                    f"The environment's observations have no {what} {key!r}: they have {', '.join(inner)}"
                )
        self._segmentation = segmentation if segmentation in inner.spaces else None
        self.last: StreamMask | None = None
        """What was kept of the last picture."""
        shape = inner[image].shape
        if shape is None or len(shape) != 3 or shape[2] != 3:
            raise OptionError(f"The camera {image!r} gives {shape}, not pictures (H, W, 3)")
        masked = spaces.Box(0, 255, (*shape[:2], channels(self.fill)), np.uint8)
        self.observation_space = spaces.Dict({**inner.spaces, image: masked})

    def reset(self, *, seed: int | None = None, options: Dict | None = None) -> tuple[Dict, Dict]:
        """Begin an episode, and the stream with its instruction."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.stream.reset(observation[self._instruction])
        return self.observation(observation), info

    def observation(self, observation: Dict) -> Dict:
        """Mask the picture of an observation."""
        image: NDArray[np.uint8] = observation[self._image]
        robot = None if self._segmentation is None else observation[self._segmentation] == self.robot
        self.last = self.stream(image, robot=robot)
        return {**observation, self._image: filled(image, self.last.mask, self.fill, self.stream.threshold)}

    def close(self) -> None:
        """Close the environment and the stream's thread."""
        self.stream.close()
        super().close()
