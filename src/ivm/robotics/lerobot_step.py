"""`ivm_mask`, a step of LeRobot's processor pipelines that masks pictures by the task's words.

LeRobot is imported when the step is asked for, for it wants a PyTorch of its own:

    from ivm.robotics.lerobot_step import register

    register()  # now a pipeline's configuration may name "ivm_mask"

Written against the interface of lerobot 0.4.4, `processor/pipeline.py`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError, RecordError
from ivm.core.extras import optional
from ivm.core.model import MaskModel
from ivm.robotics.fills import Fill, check_fill, filled
from ivm.robotics.stream import MaskStream

NAME = "ivm_mask"


class StepMask:
    """What the step does, without LeRobot: pictures of one or many environments in, masked ones out.

    Args:
        cameras: keys of the pictures that are masked.
        model: what `ivm.load` takes, or a mask model.
        fill: what replaces the rest; not "soft", which changes the number of channels.
        every: see `MaskStream`.
        deadline: see `MaskStream`.
        threshold: see `MaskStream`.
        robot: see `MaskStream`.

    Raises:
        OptionError: no camera, or an unknown fill.
    """

    def __init__(
        self,
        *,
        cameras: tuple[str, ...],
        model: str | MaskModel = "ivm-nano",
        fill: Fill = "white",
        every: int = 5,
        deadline: float | None = 0.04,
        threshold: float = 0.5,
        robot: str | None = None,
    ) -> None:
        if not cameras:
            raise OptionError("The step masks no camera: name at least one, for example 'observation.images.front'")
        if check_fill(fill) == "soft":
            raise OptionError("The fill 'soft' changes the number of channels, which this step may not: use another")
        self.cameras, self.fill = tuple(cameras), fill
        self._model = model
        self._options: dict[str, Any] = {"every": every, "deadline": deadline, "threshold": threshold, "robot": robot}
        self._streams: dict[tuple[str, int], tuple[str, MaskStream]] = {}

    def config(self) -> dict[str, Any]:
        """Return the arguments, ready for JSON."""
        name = self._model if isinstance(self._model, str) else self._model.name
        return {"cameras": list(self.cameras), "model": name, "fill": self.fill, **self._options}

    def reset(self) -> None:
        """Begin new episodes everywhere."""
        for _, stream in self._streams.values():
            stream.close()
        self._streams = {}

    def mask(self, observation: dict[str, Any], task: Any) -> dict[str, Any]:
        """Mask the pictures of an observation.

        Args:
            observation: pictures by key, as arrays or tensors: (C, H, W) or (B, C, H, W), float in [0, 1] or uint8;
                or (H, W, C) uint8.
            task: the instruction, or a list of B.

        Returns:
            The observation, its pictures masked, of the same kind as they came.

        Raises:
            RecordError: a camera or the instruction is missing, or a picture is of another shape.
        """
        for key in self.cameras:
            if key not in observation:
                raise RecordError(f"The observation has no camera {key!r}: it has {', '.join(map(repr, observation))}")
        out = dict(observation)
        for key in self.cameras:
            out[key] = self._masked(key, observation[key], task)
        return out

    def _masked(self, key: str, value: Any, task: Any) -> Any:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        last = array.ndim == 3 and array.shape[-1] == 3 and array.dtype == np.uint8
        batch = array[None] if array.ndim == 3 else array
        if batch.ndim != 4 or batch.shape[3 if last else 1] != 3:
            raise RecordError(f"{key!r} has the shape {array.shape}: pictures are (C, H, W) or (B, C, H, W), C being 3")
        tasks = [task] * len(batch) if isinstance(task, str) else list(task or [])
        if len(tasks) != len(batch) or not all(isinstance(one, str) and one.strip() for one in tasks):
            raise RecordError(f"{key!r} holds {len(batch)} pictures, but there is no instruction for each: set 'task'")
        rows = [self._one((key, i), one, tasks[i], last) for i, one in enumerate(batch)]
        masked = np.stack(rows) if array.ndim == 4 else rows[0]
        return value.new_tensor(masked) if hasattr(value, "new_tensor") else masked.astype(array.dtype)

    def _one(self, place: tuple[str, int], picture: NDArray[Any], task: str, last: bool) -> NDArray[Any]:
        hwc = picture if last else np.moveaxis(picture, 0, -1)
        whole = hwc.dtype == np.uint8
        pixels = np.ascontiguousarray(hwc if whole else np.round(np.clip(hwc, 0, 1) * 255), np.uint8)
        stream = self._stream(place, task)
        out: NDArray[Any] = filled(pixels, stream(pixels).mask, self.fill, stream.threshold)
        out = out if whole else (out.astype(np.float32) / 255)
        return out if last else np.moveaxis(out, -1, 0)

    def _stream(self, place: tuple[str, int], task: str) -> MaskStream:
        """Return the stream of a camera of an environment; another task begins another episode."""
        known = self._streams.get(place)
        if known is not None and known[0] == task:
            return known[1]
        if known is not None:
            known[1].close()
        stream = MaskStream(self._loaded, **self._options)
        stream.reset(task)
        self._streams[place] = task, stream
        return stream

    @functools.cached_property
    def _loaded(self) -> MaskModel:
        if not isinstance(self._model, str):
            return self._model
        from ivm.inference.zoo import load

        return load(self._model).model


def make_step(base: type, transition_key: Any) -> type:
    """Build the step's class.

    Args:
        base: LeRobot's `ObservationProcessorStep`.
        transition_key: LeRobot's `TransitionKey`.
    """

    class IvmMaskStep(base):  # type: ignore[misc]
        """Masks the pictures of an observation by the task in the transition; arguments as those of `StepMask`."""

        def __init__(self, **arguments: Any) -> None:
            if "cameras" in arguments:
                arguments["cameras"] = tuple(arguments["cameras"])
            self.inner = StepMask(**arguments)

        def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
            """Mask it; the task is read from the transition's complementary data."""
            more = self.transition.get(transition_key.COMPLEMENTARY_DATA) or {}
            return self.inner.mask(observation, more.get("task"))

        def transform_features(self, features: dict[Any, Any]) -> dict[Any, Any]:
            """Return the features as they are: masked pictures have the shape of the others."""
            return features

        def get_config(self) -> dict[str, Any]:
            """Return the arguments, ready for JSON."""
            return self.inner.config()

        def reset(self) -> None:
            """Begin new episodes."""
            self.inner.reset()

    return IvmMaskStep


@functools.cache
def register() -> type:
    """Register the step with LeRobot as "ivm_mask", and return its class; a second call gives the same class.

    Raises:
        MissingExtraError: lerobot is not installed.
    """
    processor = optional("lerobot.processor")
    step = make_step(processor.ObservationProcessorStep, processor.TransitionKey)
    registered: type = processor.ProcessorStepRegistry.register(NAME)(step)
    return registered
