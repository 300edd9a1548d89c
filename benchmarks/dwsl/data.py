"""The data of the experiment: small pictures of coloured shapes with exact truth, and labels mostly of a machine."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ivm.core.files import write_files
from ivm.core.model import RGBImage
from ivm.data.coding import encode_picture
from ivm.data.record import Record, SourceKind
from ivm.data.shards import write_shard
from ivm.evaluation.metrics import Mask
from ivm.masking.overlap import mask_iou

from .spoil import draw_fault, spoil

SIDE = 64
"""Pixels of a picture's sides."""

COLORS = {
    "red": (205, 45, 45),
    "green": (50, 160, 70),
    "blue": (50, 80, 200),
    "yellow": (225, 200, 50),
    "purple": (140, 60, 170),
    "white": (235, 235, 235),
}
SHAPES = ("disc", "triangle", "ring", "cross")
WORDINGS = ("the {}", "pick up the {}", "{}", "where is the {}?")
MACHINES, TESTS = 1500, 600
"""Labels."""

_SEED = 77
_LABELS = 2
"""Of each picture."""


class Asked(NamedTuple):
    """An instruction about a picture, with its truth and the masks of what else is there."""

    name: str
    image: RGBImage
    instruction: str
    truth: Mask
    others: list[Mask]


def asked(seed: int) -> Iterator[Asked]:
    """Yield two questions about each of endless pictures of four or five shapes, no two of one colour."""
    number = 0
    while True:
        rng = np.random.default_rng((seed, number))
        image, things = _picture(rng)
        for label, target in enumerate(rng.permutation(len(things))[:_LABELS]):
            name, truth = things[target]
            others = [mask for i, (_, mask) in enumerate(things) if i != target]
            text = WORDINGS[int(rng.integers(len(WORDINGS)))].format(name)
            yield Asked(f"{number}-{label}", image, text, truth, others)
        number += 1


def _picture(rng: np.random.Generator) -> tuple[RGBImage, list[tuple[str, Mask]]]:
    """Draw shapes on an uneven ground; each with what it is called, and its mask."""
    ground = cv2.resize(rng.uniform(70, 150, (4, 4, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    image = ground + rng.normal(0, 8, (SIDE, SIDE, 3))
    colors = rng.permutation(list(COLORS))[: int(rng.integers(4, 6))]
    taken: list[tuple[float, float, float]] = []
    things = []
    for color in colors:
        place = _free(taken, rng)
        if place is None:
            continue
        taken.append(place)
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        mask = _mask(shape, *place, angle=float(rng.uniform(0, 2 * math.pi)))
        image[mask] = np.array(COLORS[color]) * rng.uniform(0.85, 1.1) + rng.normal(0, 8, (int(mask.sum()), 3))
        things.append((f"{color} {shape}" if rng.random() < 0.5 else f"{color} one", mask))
    return np.clip(image, 0, 255).astype(np.uint8), things


def _free(taken: list[tuple[float, float, float]], rng: np.random.Generator) -> tuple[float, float, float] | None:
    """Draw a centre and a radius that touch nothing."""
    for _ in range(50):
        radius = float(rng.uniform(7, 11))
        x, y = (float(rng.uniform(radius, SIDE - radius)) for _ in range(2))
        if all(math.hypot(x - other[0], y - other[1]) > radius + other[2] + 1 for other in taken):
            return x, y, radius
    return None


def _mask(shape: str, x: float, y: float, radius: float, *, angle: float) -> Mask:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    across, down = columns - x, rows - y
    distance = np.hypot(across, down)
    if shape == "disc":
        return np.asarray(distance < radius)
    if shape == "ring":
        return np.asarray((distance < radius) & (distance > 0.5 * radius))
    turned = across * math.cos(angle) + down * math.sin(angle), down * math.cos(angle) - across * math.sin(angle)
    if shape == "cross":
        arms = np.minimum(np.abs(turned[0]), np.abs(turned[1])) < 0.3 * radius
        return np.asarray(arms & (distance < radius))
    sides = [turned[0] * math.cos(a) + turned[1] * math.sin(a) < 0.5 * radius for a in (0, 2.0944, 4.1888)]
    return np.asarray(np.all(sides, axis=0))


def make(folder: Path, people: int) -> Path:
    """Write `human/`, `machine/` and `test/` with a shard each, and `truth.json`: of each machine label, its quality.

    `people` is the number of exact labels to learn from.

    What is there already is left as it is.
    """
    if (folder / "truth.json").is_file():
        return folder
    questions = asked(_SEED)
    truth: dict[str, dict[str, object]] = {}
    rng = np.random.default_rng(_SEED)

    def labelled(count: int, source: SourceKind) -> Iterator[Record]:
        for _ in range(count):
            question = next(questions)
            mask = question.truth
            if source == "machine":
                fault = draw_fault(rng)
                mask = spoil(mask, question.others, fault, rng)
                truth[question.name] = {"fault": fault, "iou": mask_iou(mask, question.truth)}
            yield Record.of(
                uuid=question.name,
                image=encode_picture(question.image, "png"),
                mask=mask,
                instructions=[question.instruction],
                source=source,
                license="CC0-1.0",
            )

    counts: list[tuple[str, int, SourceKind]] = [
        ("human", people, "human"),
        ("machine", MACHINES, "machine"),
        ("test", TESTS, "human"),
    ]
    for name, count, source in counts:
        (folder / name).mkdir(parents=True, exist_ok=True)
        write_shard(folder / name / "labels.tar", labelled(count, source))
    write_files([(folder / "truth.json", json.dumps(truth).encode())])
    return folder
