"""Does masking help a model that has learnt to look? A small VQA network, trained here, on uncluttered tables only.

The network learns to name the colour of a thing on rendered tables with one to three things, and is then asked about
small things on cluttered tables: with the raw picture, masked by ivm-nano, by the true boxes, and with the controls.
Three seeds train three networks; all get the same questions. Pictures are from the project's renderer, so this is
evidence about the mechanism (clutter distracts, masks remove it), not about real photos or large models.

    python -m benchmarks.answerer
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from ivm.core.model import RGBImage
from ivm.data.coding import encode_picture
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.scene import SceneOptions, render
from ivm.evaluation.outcome.paired import sign_flips
from ivm.evaluation.outcome.results import TrialResults
from ivm.evaluation.suites.item import HeldPicture, VisualQuestion
from ivm.evaluation.suites.opening import Suite, checksum_of
from ivm.evaluation.suites.rendered import COLORS_OF_A_KIND, NAMED, SIZE, attribute_question
from ivm.evaluation.trial.answering import Reply
from ivm.evaluation.trial.masking import Masking
from ivm.evaluation.trial.run import Trial
from ivm.evaluation.trial.variants import arms_of
from ivm.inference.zoo import load

WIDTH, HEIGHT = 192, 144
"""Of what the network sees."""

ASKED = tuple(kind.name for kind in KINDS.values() if len({*kind.usual}) >= COLORS_OF_A_KIND)
TRAIN_SEED, TEST_SEED = 71, 72
LEAST = 0.002
"""Share of the picture that a thing covers to be asked for."""

Sample = tuple[NDArray[np.uint8], int, int]
"""A picture (HEIGHT, WIDTH, 3), the index of a kind in `ASKED`, that of its colour in `NAMED`."""


def uncluttered(count: int, seed: int) -> Iterator[Sample]:
    """Yield a question about each thing of tables with one to three things."""
    options = SceneOptions(width=WIDTH, height=HEIGHT, fewest=1, most=3, kinds=ASKED)
    number = made = 0
    while made < count:
        scene = render((seed, number), options, supersample=1)
        number += 1
        kinds = [thing.kind for thing in scene.things]
        for place, thing in enumerate(scene.things, start=1):
            seen = (scene.ids == place).mean() >= LEAST
            if seen and thing.color in NAMED and kinds.count(thing.kind) == 1 and made < count:
                made += 1
                yield scene.image, ASKED.index(thing.kind), NAMED.index(thing.color)


def cluttered(count: int, seed: int) -> Suite:
    """Questions about small things on crowded tables, as the rendered benchmark asks them."""
    questions: list[VisualQuestion] = []
    options = SceneOptions(width=SIZE[0], height=SIZE[1], fewest=12, most=22)
    number = 0
    while len(questions) < count:
        scene = render((seed, number), options, supersample=1)
        one = attribute_question(scene, np.random.default_rng((seed, number, 1)))
        number += 1
        if one is not None:
            name = f"table {number}"
            questions.append(
                VisualQuestion(
                    id=name,
                    category="color",
                    picture=HeldPicture(name, encode_picture(scene.image)),
                    question=one.question,
                    options=one.options,
                    answers=(one.right,),
                    scoring="letter",
                    boxes=one.boxes,
                    targets=one.targets,
                )
            )
    return Suite(name="cluttered tables", questions=tuple(questions), checksum=checksum_of(questions))


class ColorNetwork(nn.Module):
    """Names the colour of the thing of one kind: convolutions, modulated by the kind (FiLM), and one look (attention).

    Shapes: B pictures, C channels, h and w a 16th of the picture.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        sizes = [width, 2 * width, 3 * width, 4 * width]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in zip([3, *sizes[:-1]], sizes, strict=True)
        )
        self.kind = nn.Embedding(len(ASKED), 64)
        self.film = nn.Linear(64, 2 * sizes[-1])
        self.mix = nn.Sequential(nn.Conv2d(sizes[-1], sizes[-1], 3, padding=1), nn.ReLU())
        self.look = nn.Conv2d(sizes[-1], 1, 1)
        self.color = nn.Conv2d(sizes[-1], len(NAMED), 1)

    def forward(self, image_B3HW: Tensor, kind_B: Tensor) -> Tensor:
        """Logits of colours, (B, len(NAMED))."""
        x = image_B3HW
        for stage in self.stages:
            x = stage(x)
        scale_BC, shift_BC = self.film(self.kind(kind_B)).chunk(2, dim=1)
        x = self.mix(F.relu(x * (1 + scale_BC[:, :, None, None]) + shift_BC[:, :, None, None]))
        look_B1hw = self.look(x).flatten(2).softmax(-1).view(len(x), 1, *x.shape[2:])
        logits: Tensor = (look_B1hw * self.color(x)).sum((2, 3))
        return logits


def tensor(images: Sequence[RGBImage]) -> Tensor:
    """(B, 3, HEIGHT, WIDTH) float in [-1, 1]."""
    sized = [
        one
        if one.shape[:2] == (HEIGHT, WIDTH)
        else np.asarray(cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
        for one in images
    ]
    return torch.from_numpy(np.stack(sized)).permute(0, 3, 1, 2).float() / 127.5 - 1


def train(samples: Sequence[Sample], seed: int, steps: int, batch: int = 24) -> ColorNetwork:
    """Train one network."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = ColorNetwork().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        chosen = [samples[i] for i in rng.integers(len(samples), size=batch)]
        images = tensor([image for image, _, _ in chosen])
        if rng.random() < 0.5:
            images = images.flip(3)
        kinds, colors = (torch.tensor([one[place] for one in chosen]) for place in (1, 2))
        loss = F.cross_entropy(network(images, kinds), colors, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


class NetworkAnswerer:
    """The network as an `Answerer`: the likeliest colour among the options."""

    def __init__(self, network: ColorNetwork, seed: int) -> None:
        self._network, self._seed = network, seed

    @property
    def about(self) -> Mapping[str, Any]:
        """See `Answerer.about`."""
        return {"answerer": "color network", "model": f"seed {self._seed}"}

    def ask(self, pictures: Sequence[RGBImage], prompt: str, letters: str = "") -> Reply:
        """See `Answerer.ask`; of several pictures the last is looked at."""
        found = re.search(r"color of the ([\w ]+)\?", prompt)
        assert found is not None, "all questions are of this form"
        kind = torch.tensor([ASKED.index(found[1])])
        begun = time.perf_counter()
        with torch.inference_mode():
            logits = self._network(tensor(pictures[-1:]), kind)[0]
        options = re.findall(r"\(([A-J])\) (\w+)", prompt)
        letter = max(options, key=lambda option: float(logits[NAMED.index(option[1])]))[0]
        return Reply(text=letter, latency_s=time.perf_counter() - begun)


def accuracy(network: ColorNetwork, samples: Sequence[Sample]) -> float:
    """Share of right colours, all eight to choose from."""
    with torch.inference_mode():
        right = [
            bool(network(tensor([image]), torch.tensor([kind])).argmax() == color) for image, kind, color in samples
        ]
    return sum(right) / len(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="networks")
    parser.add_argument("--samples", type=int, default=5000, help="questions to train on")
    parser.add_argument("--steps", type=int, default=1200, help="of training, each")
    parser.add_argument("--questions", type=int, default=200, help="about cluttered tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, begun = Console(width=120), time.perf_counter()
    samples = list(uncluttered(options.samples + 300, TRAIN_SEED))
    learnt, held_out = samples[:-300], samples[-300:]
    suite = cluttered(options.questions, TEST_SEED)
    arms = arms_of(["highlight", "crop"], ["oracle", "random", "shuffled"])
    scores: dict[str, list[NDArray[np.float64]]] = {arm.name: [] for arm in arms}
    table = Table("seed", "uncluttered", *(arm.name for arm in arms), box=None)
    for seed in range(options.seeds):
        network = train(learnt, seed, options.steps)
        trial = Trial(
            suite=suite,
            arms=arms,
            masking=Masking(masker=load(), style={}),
            answerer=NetworkAnswerer(network, seed),
            concurrency=1,
        )
        results = TrialResults(suite.questions, trial.run().outcomes)
        for arm in arms:
            rows = results.by_arm[arm.name]
            scores[arm.name].append(np.array([rows[question.id].score for question in suite.questions]))
        means = [f"{scores[arm.name][-1].mean():.3f}" for arm in arms]
        table.add_row(str(seed), f"{accuracy(network, held_out):.3f}", *means)
    table.add_row("mean", "", *(f"{np.mean(scores[arm.name]):.3f}" for arm in arms))
    console.print(table)
    raw = np.mean(scores["raw"], axis=0)
    for arm in arms[1:]:
        gain = np.mean(scores[arm.name], axis=0) - raw
        p = sign_flips(gain, range(len(gain)))
        by_seed = ", ".join(
            f"{(one - two).mean():+.3f}" for one, two in zip(scores[arm.name], scores["raw"], strict=True)
        )
        console.print(
            f"{arm.name} against raw: {gain.mean():+.3f} (seeds {by_seed}), p = {p:.4f}, sign flips by picture"
        )
    chance = np.mean([1 / len(question.options) for question in suite.questions])
    console.print(f"{options.questions} questions, chance {chance:.3f}, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
