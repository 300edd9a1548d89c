"""Where the masks of an experiment come from: a model, the truth, and the controls that tell why a mask helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.model import Heatmap, MaskModel, RGBImage
from ivm.robotics.eye import ROBOT
from ivm.robotics.stream import MaskStream

Source = Literal["none", "model", "truth", "wrong", "random"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""none: no mask; model: what a mask model finds; truth: the segmentation; wrong: the model asked for another thing;
random: the true mask moved to a random place."""


class Masks(Protocol):
    """Gives a mask for each frame of an episode."""

    def begin(self, instruction: str, needed: Sequence[int], seed: int) -> None:
        """Begin an episode."""
        ...

    def mask(self, image: RGBImage, ids: NDArray[np.uint8]) -> Heatmap | None:
        """Return (H, W) float32 in [0, 1], what is kept, the robot too; None keeps the whole picture."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class TrueMasks:
    """The segmentation of the things that the task needs; `elsewhere` moves it to a random place of the picture.

    Args:
        elsewhere: whether it is moved, each episode another way.
        grow: pixels by which it is grown.
    """

    def __init__(self, *, elsewhere: bool = False, grow: int = 1) -> None:
        self.elsewhere, self.grow = elsewhere, grow
        self._needed: tuple[int, ...] = ()
        self._rng = np.random.default_rng(0)
        self._shift: tuple[float, float] | None = None

    def begin(self, instruction: str, needed: Sequence[int], seed: int) -> None:
        """Begin an episode."""
        self._needed, self._rng, self._shift = tuple(needed), np.random.default_rng((6, seed)), None

    def mask(self, image: RGBImage, ids: NDArray[np.uint8]) -> Heatmap | None:
        """Return what is kept."""
        things = np.isin(ids, self._needed)
        if self.elsewhere:
            things = self._moved(things)
        grown = cv2.dilate((things | (ids == ROBOT)).astype(np.uint8), np.ones((2 * self.grow + 1,) * 2, np.uint8))
        return grown.astype(np.float32)

    def _moved(self, things: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self._shift is None:
            self._shift = float(self._rng.uniform(0.2, 0.8)), float(self._rng.uniform(0.2, 0.8))
        height, width = things.shape
        return np.roll(things, (round(self._shift[0] * height), round(self._shift[1] * width)), (0, 1))

    def close(self) -> None:
        """Hold nothing."""


class ModelMasks:
    """What a mask model finds, as a stream; the robot is kept by the segmentation.

    Args:
        model: any mask model.
        every: frames from one question to the next.
        threshold: in [0, 1].
        other: other instructions; where there are some, one that is not the episode's is asked instead of it.
    """

    def __init__(self, model: MaskModel, *, every: int = 3, threshold: float = 0.5, other: Sequence[str] = ()) -> None:
        # Without a deadline, so that the same seed gives the same masks.
        self._stream = MaskStream(model, every=every, deadline=None, threshold=threshold)
        self._other = tuple(other)

    def begin(self, instruction: str, needed: Sequence[int], seed: int) -> None:
        """Begin an episode."""
        if self._other:
            rest = [text for text in self._other if text != instruction]
            instruction = rest[int(np.random.default_rng((7, seed)).integers(len(rest)))]
        self._stream.reset(instruction)

    def mask(self, image: RGBImage, ids: NDArray[np.uint8]) -> Heatmap | None:
        """Return what is kept, or None where the model found nothing."""
        return self._stream(image, robot=ids == ROBOT).mask

    def close(self) -> None:
        """End the stream's thread."""
        self._stream.close()


class NoMasks:
    """Keeps whole pictures."""

    def begin(self, instruction: str, needed: Sequence[int], seed: int) -> None:
        """Begin an episode."""

    def mask(self, image: RGBImage, ids: NDArray[np.uint8]) -> Heatmap | None:
        """Keep everything."""
        return None

    def close(self) -> None:
        """Hold nothing."""


def make_masks(source: Source, model: str | MaskModel, *, every: int, others: Sequence[str]) -> Masks:
    """Return the masks of a name in `SOURCES`.

    Args:
        source: which.
        model: what `ivm.load` takes, or a mask model, for the sources that ask one.
        every: see `ModelMasks`.
        others: instructions among which "wrong" finds another one.

    Raises:
        OptionError: there is no such source.
        UnknownModelError: there is no such model.
    """
    if source not in SOURCES:
        raise OptionError(f"There is no source of masks {source!r}: use {', '.join(SOURCES)}")
    if source in ("truth", "random"):
        return TrueMasks(elsewhere=source == "random")
    if source == "none":
        return NoMasks()
    options: dict[str, Any] = {"every": every, "other": others if source == "wrong" else ()}
    if not isinstance(model, str):
        return ModelMasks(model, **options)
    from ivm.inference.zoo import load

    return ModelMasks(load(model).model, **options)
