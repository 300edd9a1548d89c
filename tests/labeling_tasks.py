"""Small pictures with coloured squares, and tasks about them, for the tests of labelling."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fake_models import RedModel
from ivm.core.model import Prediction
from ivm.data.coding import encode_picture
from ivm.labeling.draft import Batch, Draft
from ivm.labeling.task import Task

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


def square(color: str = "red", number: int = 0, size: int = 48) -> np.ndarray:
    """A grey picture with one coloured square of 16 pixels; the number moves it."""
    image = np.full((size, size, 3), 120, np.uint8)
    x, y = 4 + 3 * (number % 8), 4 + 2 * (number % 11)
    image[y : y + 16, x : x + 16] = COLORS[color]
    return image


def make_task(number: int = 0, color: str = "red", **changes) -> Task:
    values = {
        "uuid": f"t{number}",
        "picture": encode_picture(square(color, number), "png"),
        "instructions": (f"pick up the {color} square",),
        "license": "CC0-1.0",
    }
    return Task(**{**values, **changes})


def tasks_batch(tasks) -> Batch:
    """A batch of tasks that are at hand."""
    return Batch(0, [Draft(task) for task in tasks], [])


def write_lines(folder: Path, count: int, extra: tuple[dict, ...] = ()) -> Path:
    """A .jsonl of tasks, each with a picture and an instruction of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        color = list(COLORS)[number % 3]
        (folder / f"{number}.png").write_bytes(encode_picture(square(color, number), "png"))
        rows.append({"image": f"{number}.png", "instruction": f"pick up the {color} square, number {number}"})
    path = folder / "tasks.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, *extra]))
    return path


class ColorModel(RedModel):
    """Finds the colour that the instruction names; raises where it names none that it knows."""

    name = "colors"

    def encode(self, images):
        self.encoded.append(len(images))
        return [image.astype(np.int16) for image in images]

    def predict(self, features, instructions):
        logits = []
        for image, text in zip(features, instructions, strict=True):
            channel = next((k for k, name in enumerate(COLORS) if name in text), None)
            if channel is None:
                raise ZeroDivisionError(f"no colour in {text}")
            other = np.delete(image, channel, axis=2).max(axis=2)
            logits.append(np.where(image[..., channel] - other > 100, 6.0, -6.0).astype(np.float32))
        presence = [0.95 if (one > 0).any() else 0.05 for one in logits]
        return Prediction(logits, np.array(presence, np.float32))
