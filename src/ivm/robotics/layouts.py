"""Masks for robots whose observations have a layout of their own: bridge_data_robot, BearRobot, and any like them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import RecordError
from ivm.core.model import RGBImage
from ivm.robotics.fills import Fill, check_fill, filled
from ivm.robotics.stream import MaskStream


@dataclass(frozen=True, kw_only=True)
class ObservationLayout:
    """Where an observation keeps its picture, and how.

    Attributes:
        image: key of the picture.
        instruction: key of the instruction, where the observation holds it.
        form: "flat": channel, row, column as one vector of floats in [0, 1]; "chw", "hwc": uint8 or floats in [0, 1].
        leading: axes of length 1 before it, of a history or of cameras.
    """

    image: str
    instruction: str | None = None
    form: Literal["flat", "chw", "hwc"] = "hwc"
    leading: int = 0


BRIDGE = ObservationLayout(image="image", form="flat")
"""bridge_data_robot's WidowX client: `obs["image"]` is a flattened (3, H, W) picture, the task comes from outside."""

BEAR = ObservationLayout(image="imgs", instruction="lang", form="chw", leading=2)
"""BearRobot's samples: `imgs` (frames, views, 3, H, W) floats in [0, 1], one frame of one view, and `lang`
(BearRobot/utils/dataset/dataloader.py, `RT1Dataset_new`)."""


class LayoutAdapter:
    """Masks the picture of observations of a layout; a new instruction begins a new episode.

    Args:
        stream: the masks.
        layout: where the picture is.
        size: (height, width) of the picture, which a flat one does not say.
        fill: what replaces the rest; not "soft", which changes the number of channels.
    """

    def __init__(
        self, stream: MaskStream, layout: ObservationLayout, *, size: tuple[int, int], fill: Fill = "white"
    ) -> None:
        self.stream, self.layout, self.size, self.fill = stream, layout, size, check_fill(fill)
        self._task: str | None = None

    def reset(self) -> None:
        """Begin an episode, also where the next instruction is the same."""
        self._task = None

    def __call__(self, observation: Mapping[str, Any], instruction: str | None = None) -> dict[str, Any]:
        """Return the observation with its picture masked, in the same layout and dtype.

        Args:
            observation: as the robot gives it.
            instruction: where the observation holds none.

        Raises:
            RecordError: there is no picture or no instruction, or the picture is of another shape.
        """
        key = self.layout.image
        if key not in observation:
            raise RecordError(
                f"The observation has no camera {key!r}: it has {', '.join(map(repr, observation)) or '-'}"
            )
        if instruction is None and self.layout.instruction is not None:
            instruction = observation.get(self.layout.instruction)
        if not isinstance(instruction, str) or not instruction.strip():
            raise RecordError("There is no instruction: give it with the call, or in the observation")
        if instruction != self._task:
            self.stream.reset(instruction)
            self._task = instruction
        value = np.asarray(observation[key])
        kept = self.stream(pixels := self._pixels(value))
        masked = filled(pixels, kept.mask, self.fill, self.stream.threshold)
        return {**observation, key: self._back(masked, value)}

    def _pixels(self, value: NDArray[Any]) -> RGBImage:
        height, width = self.size
        channels_first = self.layout.form != "hwc"
        inner = (3, height, width) if channels_first else (height, width, 3)
        flat = (3 * height * width,) if self.layout.form == "flat" else inner
        if value.shape != (1,) * self.layout.leading + flat:
            raise RecordError(
                f"{self.layout.image!r} has the shape {value.shape}, not {(1,) * self.layout.leading + flat} for a "
                f"{self.layout.form!r} picture of {height} x {width}: choose another layout or size"
            )
        picture = value.reshape(inner)
        picture = np.moveaxis(picture, 0, -1) if channels_first else picture
        if picture.dtype == np.uint8:
            return np.ascontiguousarray(picture)
        return np.ascontiguousarray(np.round(np.clip(picture, 0, 1) * 255), np.uint8)

    def _back(self, masked: NDArray[np.uint8], like: NDArray[Any]) -> NDArray[Any]:
        picture = np.moveaxis(masked, -1, 0) if self.layout.form != "hwc" else masked
        values = picture if like.dtype == np.uint8 else (picture / 255).astype(like.dtype)
        return np.ascontiguousarray(values.reshape(like.shape))
