"""Tables rendered here: each scene is an item, with a few questions about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ivm.core.errors import OptionError
from ivm.data.coding import encode_picture
from ivm.data.record import Provenance, Record
from ivm.data.sources.base import Item

_SALT = 5
"""Parts the questions' random numbers from the scene's."""


@dataclass(frozen=True, kw_only=True)
class SceneSource:
    """Scenes of the 2.5-D tabletop; scene k is the same whatever else is made, on any number of processes.

    Attributes:
        scenes: how many.
        questions: about each, at most: those are left out that a person could not answer surely.
        seed: of all.
        width: of pictures.
        height: of pictures.
        name: short, for file names.
    """

    scenes: int
    questions: int = 2
    seed: int = 0
    width: int = 320
    height: int = 240
    name: str = "tabletop"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a number is out of range.
        """
        if self.scenes < 1 or self.questions < 1 or self.seed < 0 or min(self.width, self.height) < 32:
            raise OptionError("scenes and questions must be 1 or more, seed 0 or more, width and height 32 or more")

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
            MissingExtraError: numba is not installed.
        """
        for number in range(start, min(stop, self.scenes)):
            yield from self._scene(number)

    def _scene(self, number: int) -> Iterator[Record]:
        from ivm.data.tabletop.questions import Questioner
        from ivm.data.tabletop.scene import render

        scene = render((self.seed, number), width=self.width, height=self.height)
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
                    group=f"{self.seed}-{number}",
                    maker=f"ivm 2.5-D renderer, {question.form}",
                ),
                present=question.present,
            )
