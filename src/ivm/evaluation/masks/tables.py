"""Rendered tables as questions with exact masks, things that people might waver about ignored."""

from __future__ import annotations

from collections.abc import Iterator

from ivm.data.coding import encode_picture
from ivm.data.tabletop.asked import asked_scenes
from ivm.evaluation.masks.sets import MaskQuestion
from ivm.evaluation.scenes import HELD_OUT_SEED


def rendered_masks(
    scenes: int, *, questions: int = 6, seed: int = HELD_OUT_SEED, renderer: str = "fast"
) -> Iterator[MaskQuestion]:
    """Render scenes 640x480 and ask about each, as `ivm eval scenes` does; undecided things are ignored.

    Args:
        scenes: how many.
        questions: about each.
        seed: of scenes and questions.
        renderer: one of `ivm.data.tabletop.asked.RENDERERS`.

    Raises:
        OptionError: there is no such renderer.
        MissingExtraError: numba, or mujoco where it is asked for, is not installed.
    """
    for number, scene, asked in asked_scenes(scenes, questions, seed, renderer):
        picture = encode_picture(scene.image, "png")
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
