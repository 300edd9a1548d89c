"""A tiny benchmark of coloured squares, a mask model that finds the small one, and a trial of both."""

import json
from contextlib import contextmanager

import numpy as np
from PIL import Image

from ivm.core.errors import ModelError
from ivm.core.model import Prediction
from ivm.evaluation.suites.opening import open_suite
from ivm.evaluation.trial.answering import EndpointAnswerer
from ivm.evaluation.trial.masking import Masking
from ivm.evaluation.trial.run import Trial
from ivm.evaluation.trial.variants import arms_of
from ivm.inference.masker import Masker
from ivm.lmm.blocking import BlockingLmm
from ivm.lmm.client import LmmClient

COLORS = {"red": (220, 20, 20), "green": (20, 180, 40), "yellow": (220, 210, 20)}
BLUE = (20, 40, 220)


class SmallSquare:
    """Finds whatever is neither grey nor blue; "fail" in a question makes it fail, as a real model may."""

    name = "small-square"

    def __init__(self):
        self.encoded = 0

    def encode(self, images):
        self.encoded += len(images)
        return list(images)

    def predict(self, features, instructions):
        if any("fail" in text for text in instructions):
            raise ModelError("broken weights")
        logits = [np.where((one.max(-1) > one.min(-1) + 60) & (one[..., 2] < 150), 4, -4) for one in features]
        return Prediction([one.astype(np.float32) for one in logits], np.full(len(features), 0.9, np.float32))


def write_squares(folder, count=6):
    """V*Bench's layout: pictures of 160 x 120 with a large blue square and a small one whose colour is asked for."""
    lines = []
    (folder / "direct_attributes").mkdir(parents=True)
    for number in range(count):
        color = list(COLORS)[number % 3]
        image = np.full((120, 160, 3), 128, np.uint8)
        image[:, :90] = BLUE
        x, y = 120, 20 + 10 * (number % 6)
        image[y : y + 14, x : x + 14] = COLORS[color]
        stem = f"direct_attributes/{number}"
        Image.fromarray(image).save(folder / f"{stem}.jpg", quality=100, subsampling=0)
        about = {"target_object": ["square"], "bbox": [[x, y, 14, 14]], "question": "q", "options": ["a", "b"]}
        (folder / f"{stem}.json").write_text(json.dumps(about))
        options = [*COLORS, "blue"]
        told = [f"({letter}) {name}" for letter, name in zip("ABCD", options, strict=True)]
        line = {
            "image": f"{stem}.jpg",
            "text": "\n".join([f"What is the color of square {number}?", *told]),
            "category": "direct_attributes",
            "label": "ABCD"[options.index(color)],
            "question_id": number,
        }
        lines.append(json.dumps(line))
    (folder / "test_questions.jsonl").write_text("\n".join(lines))
    return folder


@contextmanager
def trial_of(folder, base_url, *, views=("highlight",), controls=(), cache=None, model=None, client=None, **settings):
    """A trial against a server."""
    options = {"retries": 0, "first_wait_s": 0.001, "timeout_s": 250.0, **(client or {})}
    with BlockingLmm(LmmClient(base_url, "fake", cache=cache, **options)) as lmm:
        yield Trial(
            suite=open_suite("vstar", folder),
            arms=arms_of(views, controls),
            masking=Masking(masker=Masker(model or SmallSquare()), style={"dilate_kernel_size": 5}),
            answerer=EndpointAnswerer(lmm=lmm, model="fake", base_url="http://server", kind="png"),
            **{"concurrency": 2, **settings},
        )
