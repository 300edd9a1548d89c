"""Rendered tables as questions with exact masks, things that people might waver about ignored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ivm.data.coding import encode_picture
from ivm.data.tabletop.questions import Questioner
from ivm.evaluation.masks.sets import MaskQuestion
from ivm.evaluation.scenes import HELD_OUT_SEED, painter


def rendered_masks(
    scenes: int, *, questions: int = 6, seed: int = HELD_OUT_SEED, renderer: str = "fast"
) -> Iterator[MaskQuestion]:
    """Render scenes 640x480 and ask about each, as `ivm eval scenes` does; undecided things are ignored.

    Args:
        scenes: how many.
        questions: about each.
        seed: of scenes and questions.
        renderer: one of `ivm.evaluation.scenes.RENDERERS`.

    Raises:
        OptionError: there is no such renderer.
        MissingExtraError: numba, or mujoco where it is asked for, is not installed.
    """
    paint = painter(renderer, seed)
    for number in range(scenes):
        scene = paint(number)
        picture = encode_picture(scene.image, "png")
        asked = Questioner(scene.ids, scene.things, np.random.default_rng((seed, number, 1))).ask(questions)
        for place, question in enumerate(asked):
            yield MaskQuestion(
                id=f"table-{number}-{place}",
                group=str(number),
                category=question.form,
                picture=picture,
                instruction=question.instruction,
                truth=question.mask,
                present=question.present,
            )
