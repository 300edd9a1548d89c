"""Tables rendered here: each scene is an item, with a few questions about it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ivm.core.errors import OptionError
from ivm.data.coding import encode_picture
from ivm.data.record import Provenance, Record
from ivm.data.sources.base import Item

if TYPE_CHECKING:
    from ivm.data.tabletop.scene import Scene

_SALT = 5
"""Parts the questions' random numbers from the scene's."""

RENDERERS = {"2.5d": "tabletop", "mujoco": "tabletop-mujoco"}
"""Who may draw the scenes, and what the records of each are called."""

_MAKERS = {"2.5d": "2.5-D renderer", "mujoco": "MuJoCo renderer"}


@dataclass(frozen=True, kw_only=True)
class SceneSource:
    """Scenes of the tabletop; scene k is the same whatever else is made, on any number of processes.

    Attributes:
        scenes: how many.
        questions: about each, at most: those are left out that a person could not answer surely.
        seed: of all.
        width: of pictures.
        height: of pictures.
        renderer: one of `RENDERERS`; each draws other scenes.
    """

    scenes: int
    questions: int = 2
    seed: int = 0
    width: int = 320
    height: int = 240
    renderer: str = "2.5d"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a number is out of range, or there is no such renderer.
        """
        if self.renderer not in RENDERERS:
            raise OptionError(f"renderer must be one of {', '.join(RENDERERS)}, not {self.renderer!r}")
        if self.scenes < 1 or self.questions < 1 or self.seed < 0 or min(self.width, self.height) < 32:
            raise OptionError("scenes and questions must be 1 or more, seed 0 or more, width and height 32 or more")

    @property
    def name(self) -> str:
        """Short, for file names."""
        return RENDERERS[self.renderer]

    def __len__(self) -> int:
        return self.scenes

    def step(self, records: int) -> int:
        """A scene holds `questions` records."""
        return max(1, records // self.questions)

    def describe(self) -> dict[str, Any]:
        """All that the scenes depend on."""
        return {"source": "scenes", **asdict(self)}

    def read(self, start: int, stop: int) -> Iterator[Item]:
        """Render scenes `start` to `stop`.

        Raises:
            MissingExtraError: numba, or mujoco where it draws, is not installed.
            DeviceError: MuJoCo finds no OpenGL on this machine.
        """
        from ivm.data.tabletop.mujoco_studio import MujocoScenes
        from ivm.data.tabletop.scene import SceneOptions, render

        options = SceneOptions(width=self.width, height=self.height)
        # Nothing is opened before the first of MuJoCo's scenes.
        with contextlib.closing(MujocoScenes(self.seed, options)) as studio:
            for number in range(start, min(stop, self.scenes)):
                scene = studio.scene(number) if self.renderer == "mujoco" else render((self.seed, number), options)
                yield from self._records(number, scene)

    def _records(self, number: int, scene: Scene) -> Iterator[Record]:
        from ivm.data.tabletop.questions import Questioner

        picture = encode_picture(scene.image)
        rng = np.random.default_rng((self.seed, number, _SALT))
        questioner = Questioner(scene.ids, scene.things, rng)
        texts: set[str] = set()
        for _ in range(4 * self.questions):
            question = questioner.ask(1)[0]
            if (question.mask > 1).any() or question.instruction in texts or len(texts) == self.questions:
                continue
            texts.add(question.instruction)
            yield Record.of(
                uuid=f"{self.name}-{self.seed}-{number}-{len(texts)}",
                image=picture,
                mask=question.mask == 1,
                instructions=[question.instruction],
                source="machine",
                license="Apache-2.0",
                provenance=Provenance(
                    dataset=self.name,
                    item=f"scene {number}",
                    group=f"{self.name}-{self.seed}-{number}",
                    maker=f"ivm {_MAKERS[self.renderer]}, {question.form}",
                ),
                present=question.present,
            )
