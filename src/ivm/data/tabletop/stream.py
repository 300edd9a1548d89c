"""An endless, repeatable stream of training batches: scenes rendered on the fly, seen several times, asked anew."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.instruction import token_batch
from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.mujoco_studio import MujocoScenes
from ivm.data.tabletop.options import SceneOptions, check_whole
from ivm.data.tabletop.questions import Question, Questioner
from ivm.data.tabletop.relations import RELATIONS
from ivm.data.tabletop.scene import Scene, render

KIND_CLASSES = {name: i + 1 for i, name in enumerate(KINDS)}
COLOR_CLASSES = {name: i + 1 for i, name in enumerate(COLORS)}
UNKNOWN = 255
"""Class of pixels that the auxiliary maps do not judge, and of undecided mask pixels."""


class Batch(NamedTuple):
    """B pictures with N = B * questions instructions; all arrays are numpy."""

    image: NDArray[np.uint8]
    """(B, H, W, 3) uint8 RGB."""
    tokens: NDArray[np.int64]
    """(N, L, P) int64, see `core.instruction.token_batch`."""
    picture: NDArray[np.int64]
    """(N,) int64, the picture that each question is about."""
    mask: NDArray[np.uint8]
    """(N, H/2, W/2) uint8: 0 to 200 is the share needed of each 2x2 block, 255 undecided."""
    present: NDArray[np.float32]
    """(N,) float32, 1 where the target is in the picture."""
    kinds: NDArray[np.uint8]
    """(B, H/8, W/8) uint8 class of each place: `KIND_CLASSES`, 0 for background, 255 unknown."""
    colors: NDArray[np.uint8]
    """(B, H/8, W/8) uint8, likewise with `COLOR_CLASSES`."""


MASK_ONE = 200
"""Value of `Batch.mask` where the whole block is needed."""

SIZE_STEP = 32
"""Sides of pictures in batches are multiples of this, as the networks here take them."""


@dataclass(frozen=True, kw_only=True)
class TabletopStream:
    """Describes a stream of batches; iterate `batches(start)`.

    Attributes:
        seed: of the scenes and of what is asked.
        pictures: B, pictures a batch.
        questions: asked about each picture.
        fresh: new scenes a batch; the other pictures show scenes of the last `memory` again, cropped, mirrored,
            tinted and asked anew.
        memory: scenes kept, about 250 kB each.
        scene_size: width and height at which scenes are rendered.
        sizes: widths and heights of pictures in batches, drawn with equal odds for each entry.
        small_batches: how many batches, at the start, have pictures of `small_sizes` instead: early lessons need no
            detail, and cost less.
        small_sizes: see `small_batches`.
        first_batch: scenes of earlier batches are not seen again: a later stage of training sets it to its first batch.
        fewest: see `SceneOptions`; crowded tables teach more a picture.
        most: see `SceneOptions`.
        everyday: see `SceneOptions`.
        kinds: see `SceneOptions`; nothing else is asked for either.
        forms: names of further forms of questions, see `relations.RELATIONS`.
        mujoco: share of the scenes that MuJoCo draws, from 0 to 1.
        rank: index of this process among `world` that train together; no two see the same scene.
        world: number of processes.
    """

    seed: int = 0
    pictures: int = 16
    questions: int = 4
    fresh: int = 6
    memory: int = 3000
    scene_size: tuple[int, int] = (288, 216)
    sizes: tuple[tuple[int, int], ...] = ((256, 192),) * 5 + ((224, 224), (192, 256), (288, 160))
    small_batches: int = 0
    small_sizes: tuple[tuple[int, int], ...] = ((192, 160),) * 3 + ((160, 192), (160, 160), (224, 128))
    first_batch: int = 0
    fewest: int = 3
    most: int = 18
    everyday: float = 1.0
    kinds: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    mujoco: float = 0.0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a value is impossible; the message names it.
        """
        least = {
            "seed": 0,
            "pictures": 1,
            "questions": 1,
            "fresh": 1,
            "memory": 1,
            "small_batches": 0,
            "first_batch": 0,
            "world": 1,
        }
        for name, low in least.items():
            check_whole(name, getattr(self, name), low)
        check_whole("fresh", self.fresh, 1, self.pictures)
        check_whole("rank", self.rank, 0, self.world - 1)
        if type(self.mujoco) not in (int, float) or not 0 <= self.mujoco <= 1:
            raise OptionError(f"mujoco must be a share from 0 to 1, not {self.mujoco!r}")
        if not isinstance(self.forms, list | tuple) or not all(form in RELATIONS for form in self.forms):
            raise OptionError(f"forms must be a list of names among {', '.join(RELATIONS)}, not {self.forms!r}")
        _check_size("scene_size", self.scene_size, 1)
        _ = self.scenes  # checks the rest
        for name in ("sizes", "small_sizes"):
            sizes = getattr(self, name)
            if not isinstance(sizes, list | tuple) or not sizes:
                raise OptionError(f"{name} must be a list of [width, height], not {sizes!r}")
            for size in sizes:
                _check_size(name, size, SIZE_STEP)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batch `start`, `start + 1`, ... for ever; batch k is the same wherever the stream starts."""
        cache: OrderedDict[int, Scene] = OrderedDict()
        studio = MujocoScenes(self.seed, self.scenes)  # opens nothing before its first scene
        step = start
        while True:
            rng = np.random.default_rng((self.seed, self.rank, step, 1))
            sizes = self.small_sizes if step < self.small_batches else self.sizes
            # All processes draw the same size, so that none waits for another.
            width, height = sizes[int(np.random.default_rng((self.seed, step, 2)).integers(len(sizes)))]
            newest = (step + 1) * self.fresh
            since = self.first_batch if step >= self.first_batch else 0
            oldest = max(since * self.fresh, newest - self.memory)
            numbers = [*range(newest - self.fresh, newest), *rng.integers(oldest, newest, self.pictures - self.fresh)]
            yield self._batch([self._scene(int(n), cache, studio) for n in numbers], width, height, rng)
            step += 1

    @property
    def scenes(self) -> SceneOptions:
        """What the scenes are like."""
        width, height = self.scene_size
        return SceneOptions(
            width=width,
            height=height,
            fewest=self.fewest,
            most=self.most,
            everyday=self.everyday,
            kinds=tuple(self.kinds),
        )

    def _scene(self, number: int, cache: OrderedDict[int, Scene], studio: MujocoScenes) -> Scene:
        scene = cache.get(number)
        if scene is None:
            scene = self._draw(number, studio)
            cache[number] = scene
            if len(cache) > self.memory:
                cache.popitem(last=False)
        return scene

    def _draw(self, number: int, studio: MujocoScenes) -> Scene:
        # MuJoCo's scenes are spread evenly and counted among themselves, so that its studios are used to the full.
        before, after = math.floor(number * self.mujoco), math.floor((number + 1) * self.mujoco)
        if after > before:
            return studio.scene(before * self.world + self.rank)
        return render((self.seed, number * self.world + self.rank), self.scenes)

    def _batch(self, scenes: list[Scene], width: int, height: int, rng: np.random.Generator) -> Batch:
        views = [view(scene, width, height, rng) for scene in scenes]
        asked = [Questioner(v.ids, v.things, rng, self.kinds, self.forms).ask(self.questions) for v in views]
        questions = [question for group in asked for question in group]
        return Batch(
            image=np.stack([v.image for v in views]),
            tokens=token_batch([question.instruction for question in questions]),
            picture=np.repeat(np.arange(len(views)), self.questions),
            mask=np.stack([_half(question) for question in questions]),
            present=np.array([question.present for question in questions], np.float32),
            kinds=np.stack([_classes(v, [KIND_CLASSES[t.kind] for t in v.things]) for v in views]),
            colors=np.stack([_classes(v, [COLOR_CLASSES[t.color] for t in v.things]) for v in views]),
        )


def _check_size(name: str, size: object, step: int) -> None:
    sides = size if isinstance(size, list | tuple) else ()
    if len(sides) != 2 or not all(type(side) is int and side > 0 and side % step == 0 for side in sides):
        multiples = f", multiples of {step}" if step > 1 else ""
        raise OptionError(f"{name} holds {size!r}: a size is [width, height] in pixels{multiples}")


def view(scene: Scene, width: int, height: int, rng: np.random.Generator) -> Scene:
    """Look at a scene again: a random crop of the wanted shape, perhaps mirrored, with another tint and exposure."""
    full_height, full_width = scene.ids.shape
    most = min(full_width / width, full_height / height)
    scale = most * rng.uniform(0.62, 1.0) if rng.random() < 0.7 else most
    w, h = round(width * scale), round(height * scale)
    x, y = int(rng.integers(full_width - w + 1)), int(rng.integers(full_height - h + 1))
    image, ids = scene.image[y : y + h, x : x + w], scene.ids[y : y + h, x : x + w]
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    resized = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(np.ascontiguousarray(ids), (width, height), interpolation=cv2.INTER_NEAREST)
    gain = rng.uniform(0.8, 1.2) * (1 + rng.normal(0, 0.035, 3))
    table = 255 * np.clip(np.arange(256)[:, None] / 255 * gain, 0, 1) ** rng.uniform(0.8, 1.25)
    tinted = cv2.LUT(resized, np.round(table).astype(np.uint8).reshape(1, 256, 3))
    return Scene(tinted.astype(np.uint8), nearest.astype(np.uint8), scene.things)


def _half(question: Question) -> NDArray[np.uint8]:
    """Mask at half size: the share of each 2x2 block, undecided where any of it is."""
    height, width = question.mask.shape
    blocks = (
        question.mask.reshape(height // 2, 2, width // 2, 2).transpose(0, 2, 1, 3).reshape(height // 2, width // 2, 4)
    )
    share = (blocks == 1).sum(axis=-1) * (MASK_ONE // 4)
    return np.where((blocks == UNKNOWN).any(axis=-1), UNKNOWN, share).astype(np.uint8)


def _classes(scene: Scene, classes: list[int]) -> NDArray[np.uint8]:
    """Class of each 8x8 block: that of the thing at its centre, unknown where the block is of several things."""
    table = np.zeros(256, np.uint8)
    table[1 : len(classes) + 1] = classes
    ids = scene.ids
    centre = ids[4::8, 4::8]
    mixed = np.any([ids[r::8, c::8] != centre for r, c in ((2, 2), (2, 6), (6, 2), (6, 6))], axis=0)
    return np.where(mixed, UNKNOWN, table[centre]).astype(np.uint8)
