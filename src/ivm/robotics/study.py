"""An experiment from its recipe: demonstrations, policies, rollouts; each stage is kept, and a run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from ivm.core.errors import DataError
from ivm.core.files import write_files
from ivm.core.model import MaskModel
from ivm.data.parts import Progress
from ivm.inference.catalogue import EMBEDDED
from ivm.inference.checkpoint import DESCRIPTION
from ivm.robotics.cloning import train_policy
from ivm.robotics.collect import collect
from ivm.robotics.env import TabletopEnv
from ivm.robotics.frames import load_frames
from ivm.robotics.intervals import Rate, wilson
from ivm.robotics.policy import Policy
from ivm.robotics.recipe import Arm, RobotRecipe
from ivm.robotics.rollout import Outcome, roll_out
from ivm.robotics.setting import GOALS, TARGETS
from ivm.robotics.sources import Masks, make_masks
from ivm.robotics.tasks import name_of
from ivm.robotics.video import Film

StageProgress = Callable[[str, int, int], object]
"""Called with what is being done, how much of it is done, and of how much."""

_SEEDS_A_REPEAT = 10_000


@dataclass(frozen=True)
class Cell:
    """The outcomes of an arm on a level, all seeds and repeats together."""

    arm: str
    level: str
    outcomes: tuple[Outcome, ...]

    @property
    def rate(self) -> Rate:
        """Share of successes with its interval."""
        return wilson(sum(one.success for one in self.outcomes), len(self.outcomes))

    @property
    def overlap(self) -> float | None:
        """Mean overlap of masks with what was needed."""
        values = [one.overlap for one in self.outcomes if one.overlap is not None]
        return sum(values) / len(values) if values else None


class Study:
    """The stages of an experiment in a folder; each does only what is not there yet.

    Args:
        recipe: what is done.
        output: folder of demonstrations, policies, rollouts and videos.
        model: instead of the recipe's mask model.
        progress: see `StageProgress`.

    Raises:
        DataError: the folder holds the experiment of another recipe.
        OutputError: it cannot be written.
    """

    def __init__(
        self,
        recipe: RobotRecipe,
        output: str | Path,
        *,
        model: MaskModel | None = None,
        progress: StageProgress = lambda what, done, total: None,
    ) -> None:
        self.recipe, self.root, self.model = recipe, Path(output), model
        self._progress = progress
        self._claim()

    def _claim(self) -> None:
        """Keep what decides demonstrations, policies and rollouts beside them; more levels or arms may come later."""
        values = asdict(self.recipe)
        for name in ("arms", "levels", "seeds", "repeats", "videos", "save_every"):
            values.pop(name)
        values = {**json.loads(json.dumps(values)), "weights": _weights_of(self.recipe.model)}
        path = self.root / "recipe.json"
        if not path.is_file():
            write_files([(path, json.dumps(values, indent=1, sort_keys=True).encode())])
            return
        kept = {"weights": values["weights"]} | json.loads(path.read_text(encoding="utf-8"))
        if kept != values:
            same = kept["weights"] == values["weights"]
            other = "another recipe" if same else f"other weights of {self.recipe.model}"
            raise DataError(f"{self.root} holds the experiment of {other}: choose another folder, or delete it")

    def _tell(self, what: str) -> Progress:
        return partial(self._progress, what)

    @property
    def data(self) -> Path:
        """Folder of the demonstrations."""
        return self.root / "demonstrations"

    def demonstrate(self) -> Path:
        """Collect the demonstrations."""
        if not self._collected():
            recipe = self.recipe
            options: dict[str, Any] = {"verbs": recipe.verbs, "size": recipe.camera, "others": recipe.others}
            collect(self.data, episodes=recipe.demonstrations, progress=self._tell("collecting"), **options)
        return self.data

    def _collected(self) -> bool:
        path = self.data / "meta" / "info.json"
        return path.is_file() and json.loads(path.read_text())["total_episodes"] >= self.recipe.demonstrations

    def train(self, arm: Arm, seed: int) -> Path:
        """Train the policy of an arm, after its demonstrations; the policy's file."""
        if arm.train_as is not None:
            return self.train(self.recipe.arm(arm.train_as), seed)
        path = self.root / "policies" / f"{arm.name}-{seed}.pt"
        if path.is_file():
            return path
        data = self.demonstrate()
        tell = self._tell(f"masking for {arm.name}")
        frames = load_frames(data, self.recipe, arm, cache=self.root / "frames", model=self.model, progress=tell)
        return train_policy(frames, self.recipe, arm, seed, path, progress=self._tell(f"training {arm.name} {seed}"))

    def roll(self, arm: Arm, level: str, seed: int, repeat: int) -> tuple[Outcome, ...]:
        """Let a policy work through the episodes of a repeat, the same ones for all arms."""
        path = self.root / "rollouts" / f"{arm.name}-{seed}-{level}-{repeat}.json"
        digest = hashlib.sha256(repr(arm).encode()).hexdigest()[:12]
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["arm"] != digest:
                raise DataError(f"{path} is of another arm {arm.name!r}: delete it, or give the arm another name")
            return tuple(Outcome(**one) for one in kept["outcomes"])
        policy, recipe = Policy.load(self.train(arm, seed)), self.recipe
        others = [f"pick up the {name_of(thing)}" for thing in (*TARGETS, *GOALS)]
        masks = make_masks(arm.masks, self.model or recipe.model, every=recipe.every, others=others)
        env = TabletopEnv(
            level, verbs=recipe.verbs, size=recipe.camera, others=recipe.others, max_steps=recipe.max_steps
        )
        try:
            outcomes = tuple(self._episodes(env, policy, masks, arm, level, seed, repeat))
        finally:
            env.close()
            masks.close()
        kept = {"arm": digest, "outcomes": [asdict(one) for one in outcomes]}
        write_files([(path, json.dumps(kept, indent=1).encode())])
        return outcomes

    def _episodes(
        self, env: TabletopEnv, policy: Policy, masks: Masks, arm: Arm, level: str, seed: int, repeat: int
    ) -> Iterator[Outcome]:
        tell = self._tell(f"{arm.name} on {level}")
        for number in range(self.recipe.episodes):
            filmed = repeat == 0 and seed == self.recipe.seeds[0] and number < self.recipe.videos
            film = Film(f"{arm.name}, {level}") if filmed else None
            outcome = roll_out(env, policy, masks, arm.fill, _SEEDS_A_REPEAT * repeat + number, watch=film)
            if film is not None:
                film.title = outcome.instruction
                film.save(self.film(arm.name, level, number))
                write_files([(self.film(arm.name, level, number).with_suffix(".jpg"), _jpeg(film))])
            yield outcome
            tell(number + 1, self.recipe.episodes)

    def film(self, arm: str, level: str, number: int) -> Path:
        """Return where a rollout's video is."""
        return self.root / "videos" / f"{arm}-{level}-{number}.mp4"

    def run(self) -> list[Cell]:
        """Do everything that is not done yet, the cells that matter most first."""
        recipe = self.recipe
        for repeat in range(recipe.repeats):
            for seed in recipe.seeds:
                for arm in recipe.arms:
                    for level in recipe.levels:
                        self.roll(arm, level, seed, repeat)
        return self.cells()

    def cells(self) -> list[Cell]:
        """Return what is there so far, for a report of a run that is not finished."""
        found = []
        for arm in self.recipe.arms:
            for level in self.recipe.levels:
                outcomes: list[Outcome] = []
                for seed in self.recipe.seeds:
                    for repeat in range(self.recipe.repeats):
                        if (self.root / "rollouts" / f"{arm.name}-{seed}-{level}-{repeat}.json").is_file():
                            outcomes += self.roll(arm, level, seed, repeat)
                if outcomes:
                    found.append(Cell(arm.name, level, tuple(outcomes)))
        return found


def _jpeg(film: Film) -> bytes:
    picture = film.strip()[..., ::-1]
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _weights_of(model: str) -> str | None:
    """Checksum of the mask model's description, which has those of its weights; None for a model without one."""
    for folder in (EMBEDDED / model, Path(model)):
        if (folder / DESCRIPTION).is_file():
            return hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()
    return None
