"""A folder of two labelled pictures, and a model that sees colours, so that every score is known beforehand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivm.core.model import Prediction
from ivm.inference.masker import Masker

CHANNELS = {"red": 0, "green": 1}


class ColourModel:
    """Shows the pixels of the colour that is named; asked to "pick up", only the upper half of the picture's."""

    name = "colours"

    def __init__(self):
        self.encoded = 0

    def encode(self, images):
        self.encoded += len(images)
        return list(images)

    def predict(self, features, instructions):
        logits = [self._logits(*pair) for pair in zip(features, instructions, strict=True)]
        return Prediction(logits, np.array([float(one.max() > 0) for one in logits], np.float32))

    def _logits(self, image, instruction):
        channel = next(CHANNELS[word] for word in instruction.split() if word in CHANNELS)
        shown = image[..., channel] == 200
        if instruction.startswith("pick up"):
            shown = shown & (np.arange(len(image)) < len(image) // 2)[:, None]
        return np.where(shown, 4, -4).astype(np.float32)


@pytest.fixture
def model():
    return ColourModel()


@pytest.fixture
def masker(model):
    return Masker(model)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Picture a holds a red and a green bar, picture b only a red bar, in the lower half."""
    a, b = np.zeros((2, 8, 6, 3), np.uint8)
    a[2:6, 0:2, 0] = 200
    a[0:4, 4:6, 1] = 200
    b[4:8, 0:3, 0] = 200
    for name, picture in {"a": a, "b": b}.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    masks = {"a-red": a[..., 0], "a-green": a[..., 1], "b-red": b[..., 0]}
    for name, mask in masks.items():
        Image.fromarray(np.where(mask > 0, 255, 0).astype(np.uint8)).save(tmp_path / f"{name}-mask.png")
    entries = [
        {"image": f"{name[0]}.png", "mask": f"{name}-mask.png", "instruction": f"the {name[2:]} bar"} for name in masks
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    return tmp_path
