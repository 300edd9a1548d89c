"""A benchmark like V*Bench that this project renders: small things on large, cluttered tables, with exact boxes.

It tests the harness, not the claim: its tables come from the renderer that `ivm-nano` learnt from, and its questions
are as plain as they can be. The files have V*Bench's layout, so that `load_vstar` and other harnesses read them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.files import write_files
from ivm.data.coding import encode_picture
from ivm.data.parts import Progress, silent
from ivm.data.tabletop.colors import confusable
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.scene import Scene, SceneOptions, render
from ivm.data.tabletop.wordings import kinds_called
from ivm.evaluation.suites.item import LETTERS
from ivm.masking.boxes import Box, bounding_box

SIZE = (1280, 960)
"""Width and height of the pictures."""

SMALL = (0.002, 0.012)
"""Shares of the picture between which a thing is asked for: at its size a person must look for it."""

NAMED = ("red", "yellow", "green", "blue", "purple", "orange", "pink", "turquoise")
"""Colours that are asked for; of those that people confuse, no two are options of one question."""

APART = 0.12
"""Least distance of two things that are left and right of each other, as a share of the picture's width."""

ATTRIBUTE, SPATIAL = "direct_attributes", "relative_position"
"""Categories, called as in V*Bench; of five questions three ask for an attribute, as there."""

COLORS_OF_A_KIND = 3
"""Usual colours that a kind has at least: what colour a strawberry has can be told without the picture."""

TRIES = 40

RENDERER = "ivm tabletop"
"""Stands in every NAME.json, so that a report can say what it is about."""


@dataclass(frozen=True, kw_only=True)
class RenderedQuestion:
    """A question about a rendered table."""

    category: str
    question: str
    options: tuple[str, ...]
    right: str
    """The letter."""
    boxes: tuple[Box, ...]
    targets: tuple[str, ...]


def write_rendered(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    progress: Progress = silent,
) -> Path:
    """Render a benchmark into a folder in V*Bench's layout; the same seed writes the same files.

    Args:
        folder: made where it is missing; `test_questions.jsonl` comes last, so that its presence means all is there.
        count: questions, each about a picture of its own.
        seed: of scenes and questions; training must not use its scenes, which no recipe here does.
        size: width and height of the pictures.
        progress: told how many are done, of how many.

    Returns:
        The path of `test_questions.jsonl`.

    Raises:
        MissingExtraError: numba is not installed.
        OptionError: `count` is less than 1.
        OutputError: the folder cannot be written.
    """
    if count < 1:
        raise OptionError(f"The number of questions must be at least 1, not {count}")
    lines = []
    for number, (scene, one) in enumerate(rendered(count, seed, size)):
        stem = f"{one.category}/table_{seed}_{number}"
        about = {
            "target_object": list(one.targets),
            "bbox": [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in one.boxes],
            "question": one.question,
            # V*Bench's own files begin with the right one.
            "renderer": RENDERER,
            "options": sorted(one.options, key=lambda text: text != one.options[LETTERS.index(one.right)]),
        }
        write_files(
            [
                (folder / f"{stem}.jpg", encode_picture(scene.image)),
                (folder / f"{stem}.json", json.dumps(about, ensure_ascii=False).encode()),
            ]
        )
        told = [f"({letter}) {text}" for letter, text in zip(LETTERS, one.options, strict=False)]
        ending = "Answer with the option's letter from the given choices directly."
        line = {
            "image": f"{stem}.jpg",
            "text": "\n".join([one.question, *told, ending]),
            "category": one.category,
            "label": one.right,
            "question_id": number,
        }
        lines.append(json.dumps(line, ensure_ascii=False))
        progress(number + 1, count)
    listing = folder / "test_questions.jsonl"
    write_files([(listing, "".join(f"{line}\n" for line in lines).encode())])
    return listing


def is_rendered(folder: Path) -> bool:
    """Whether a folder in V*Bench's layout was rendered here."""
    file = next(iter(sorted(folder.glob("*/*.json"))), None) if folder.is_dir() else None
    return file is not None and RENDERER in file.read_text(encoding="utf-8", errors="replace")


def rendered(count: int, seed: int, size: tuple[int, int] = SIZE) -> Iterator[tuple[Scene, RenderedQuestion]]:
    """Yield `count` scenes with a question each, three of five for an attribute."""
    options = SceneOptions(width=size[0], height=size[1], fewest=12, most=22)
    for number in range(count):
        spatial = number % 5 in (1, 3)
        for attempt in range(TRIES):
            key = (seed, number, attempt)
            scene = render(key, options, supersample=1)
            rng = np.random.default_rng((*key, 1))
            one = spatial_question(scene, rng) if spatial else attribute_question(scene, rng)
            if one is not None:
                yield scene, one
                break
        else:
            raise AssertionError("one scene in a few has a small thing that can be named")


def attribute_question(scene: Scene, rng: np.random.Generator) -> RenderedQuestion | None:
    """Ask for the colour of a small thing whose kind is there once; None where there is no such thing.

    The wrong options are colours of other things in the picture, the largest first: who looks at the whole picture
    instead of the thing picks one of them.
    """
    small = [
        i
        for i in _small(scene)
        if scene.things[i - 1].color in NAMED
        and len({*KINDS[scene.things[i - 1].kind].usual}) >= COLORS_OF_A_KIND
        and _only(scene, i, by_color=False)
    ]
    if not small:
        return None
    target = small[int(rng.integers(len(small)))]
    right = scene.things[target - 1].color
    areas = np.bincount(scene.ids.ravel(), minlength=256)
    others = sorted(range(1, len(scene.things) + 1), key=lambda i: -int(areas[i]))
    colors = [right]
    for color in [*(scene.things[i - 1].color for i in others if areas[i]), *rng.permutation(NAMED)]:
        if color in NAMED and not any(confusable(color, one) for one in colors) and len(colors) < 4:
            colors.append(str(color))
    options = tuple(str(color) for color in rng.permutation(colors))
    kind = scene.things[target - 1].kind
    return RenderedQuestion(
        category=ATTRIBUTE,
        question=f"What is the color of the {kind}?",
        options=options,
        right=LETTERS[options.index(right)],
        boxes=(_box(scene.ids, target),),
        targets=(kind,),
    )


def spatial_question(scene: Scene, rng: np.random.Generator) -> RenderedQuestion | None:
    """Ask which of two small things is on the left; None where there are no two that can be told apart by name."""
    small = [i for i in _small(scene) if scene.things[i - 1].color in NAMED and _only(scene, i, by_color=True)]
    middle = {i: (box := _box(scene.ids, i))[0] + box[2] for i in small}
    pairs = [
        (i, j)
        for i in small
        for j in small
        if not confusable(scene.things[i - 1].color, scene.things[j - 1].color)
        and abs(middle[i] - middle[j]) > 2 * APART * scene.ids.shape[1]
    ]
    if not pairs:
        return None
    first, second = pairs[int(rng.integers(len(pairs)))]
    names = tuple(f"{scene.things[i - 1].color} {scene.things[i - 1].kind}" for i in (first, second))
    options = tuple(str(side) for side in rng.permutation(["left", "right"]))
    return RenderedQuestion(
        category=SPATIAL,
        question=f"Is the {names[0]} on the left or right side of the {names[1]}?",
        options=options,
        right=LETTERS[options.index("left" if middle[first] < middle[second] else "right")],
        boxes=(_box(scene.ids, first), _box(scene.ids, second)),
        targets=names,
    )


def _small(scene: Scene) -> list[int]:
    """Things of the size that is asked for which the picture's border does not cut."""
    areas = np.bincount(scene.ids.ravel(), minlength=256) / scene.ids.size
    edges = {*scene.ids[0], *scene.ids[-1], *scene.ids[:, 0], *scene.ids[:, -1]}
    return [i for i in range(1, len(scene.things) + 1) if SMALL[0] <= areas[i] <= SMALL[1] and i not in edges]


def _only(scene: Scene, target: int, *, by_color: bool) -> bool:
    """Whether nothing else in sight might be called by the same kind, or by the same colour and kind."""
    thing = scene.things[target - 1]
    seen = set(np.unique(scene.ids).tolist())
    near = kinds_called(thing.kind) | set(KINDS[thing.kind].resembles)
    near |= {kind.name for kind in KINDS.values() if thing.kind in (*kind.resembles, *kind.also)}
    return not any(
        i != target and i in seen and other.kind in near and (not by_color or confusable(other.color, thing.color))
        for i, other in enumerate(scene.things, start=1)
    )


def _box(ids: NDArray[np.uint8], target: int) -> Box:
    box = bounding_box(ids == target)
    assert box is not None, "a small thing is in sight"
    return box
