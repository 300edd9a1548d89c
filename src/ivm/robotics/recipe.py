"""An experiment as a file: demonstrations, policies, levels, and how long each may take; read strictly."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivm.core.errors import OptionError, RecipeError
from ivm.core.recipe import read_values
from ivm.robotics.fills import FILLS, Fill
from ivm.robotics.levels import LEVELS
from ivm.robotics.sources import SOURCES, Source
from ivm.robotics.tasks import VERBS, Verb


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to show a policy its world, in training and at work.

    Attributes:
        name: of the row in the report.
        masks: where masks come from, see `sources.SOURCES`.
        fill: what replaces the rest, see `fills.FILLS`.
        augment: whether the table in pictures of training is painted over with random colours and patterns.
        train_as: the name of an arm whose policy this one uses, where only the masks at work differ.
    """

    name: str
    masks: Source = "none"
    fill: Fill = "none"
    augment: bool = False
    train_as: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.replace("-", "").replace("_", "").isalnum():
            raise RecipeError(f"An arm's name is letters, digits and dashes, not {self.name!r}")
        for what, value, known in (("masks", self.masks, SOURCES), ("fill", self.fill, FILLS)):
            if value not in known:
                raise RecipeError(f"The arm {self.name} has {what} {value!r}: use {', '.join(known)}")
        if not isinstance(self.augment, bool):
            raise RecipeError(f"The arm {self.name} has augment {self.augment!r}: use true or false")
        if (self.masks == "none") != (self.fill == "none"):
            raise RecipeError(f"The arm {self.name} needs both masks and a fill, or neither")


@dataclass(frozen=True, kw_only=True)
class RobotRecipe:
    """Everything that decides an experiment.

    Attributes:
        demonstrations: episodes of the expert.
        verbs: kinds of tasks.
        others: things beside the one asked for.
        camera: side in pixels of the camera's pictures.
        picture: side in pixels of what the policy sees.
        model: the mask model, what `ivm.load` takes.
        every: frames from one question to the mask model to the next.
        arms: see `Arm`; the first is what the others are compared with.
        levels: names in `levels.LEVELS`.
        seeds: of policies; each is trained once an arm.
        episodes: of a cell, for each of `repeats`.
        repeats: sets of episodes of a cell.
        max_steps: control steps of an episode.
        execute: actions of a chunk that are executed before the policy looks again.
        steps: optimiser steps of a policy.
        batch: pictures a step.
        learning_rate: peak rate of AdamW, after a warm-up it falls to zero as a cosine.
        save_every: steps between checkpoints.
        network: arguments of `network.PolicyConfig`, without channels, state and action.
        videos: rollouts of each cell that are kept as videos.
    """

    demonstrations: int = 800
    verbs: tuple[Verb, ...] = ("pick",)
    others: int = 2
    camera: int = 128
    picture: int = 64
    model: str = "ivm-nano"
    every: int = 3
    arms: tuple[Arm, ...] = (Arm(name="plain"),)
    levels: tuple[str, ...] = ("trained", "distractors")
    seeds: tuple[int, ...] = (0,)
    episodes: int = 50
    repeats: int = 3
    max_steps: int = 40
    execute: int = 1
    steps: int = 4000
    batch: int = 64
    learning_rate: float = 2e-3
    save_every: int = 500
    network: dict[str, int] = field(default_factory=dict)
    videos: int = 1

    def __post_init__(self) -> None:
        """Check values; see the attributes.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        ranges = {
            "demonstrations": (1, 100_000), "others": (0, 4), "camera": (32, 1024), "picture": (16, 256),
            "every": (1, 1000), "episodes": (1, 10_000), "repeats": (1, 100), "max_steps": (1, 1000),
            "execute": (1, 16), "steps": (1, 10_000_000), "batch": (1, 4096), "save_every": (1, 1_000_000),
            "videos": (0, 20),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise RecipeError(f"The recipe's {name} must be a whole number from {low} to {high}, not {value!r}")
        if type(self.learning_rate) is not float or not 0 < self.learning_rate <= 1:
            raise RecipeError(
                f"The recipe's learning_rate must be a number above 0, up to 1, not {self.learning_rate!r}"
            )
        for name, known in (("verbs", VERBS), ("levels", tuple(LEVELS))):
            values = getattr(self, name)
            if not values or [value for value in values if value not in known] or len(set(values)) < len(values):
                raise RecipeError(
                    f"The recipe's {name} must be among {', '.join(known)}, each once, not {list(values)}"
                )
        if not self.seeds or not all(type(seed) is int and 0 <= seed < 1000 for seed in self.seeds):
            raise RecipeError(f"The recipe's seeds must be whole numbers from 0 to 999, not {list(self.seeds)}")
        self._check_arms()
        self.network_sizes(channels=3)

    def _check_arms(self) -> None:
        names = [arm.name for arm in self.arms]
        if not names or len(set(names)) < len(names):
            raise RecipeError(f"The recipe's arms must have names of their own, not {names}")
        trained = {arm.name: arm for arm in self.arms if arm.train_as is None}
        for arm in self.arms:
            if arm.train_as is None:
                continue
            if arm.train_as not in trained:
                raise RecipeError(f"The arm {arm.name} is trained as {arm.train_as!r}, which is no arm with training")
            if trained[arm.train_as].fill != arm.fill and "soft" in (trained[arm.train_as].fill, arm.fill):
                raise RecipeError(f"The arm {arm.name} and {arm.train_as} give pictures of different channels")

    def network_sizes(self, *, channels: int) -> Any:
        """Return the `PolicyConfig`.

        Raises:
            RecipeError: `network` holds an unknown key or an impossible size.
        """
        from ivm.robotics.network import PolicyConfig

        known = {f.name for f in dataclasses.fields(PolicyConfig)} - {"channels", "state", "action"}
        if not isinstance(self.network, dict) or set(self.network) - known:
            raise RecipeError(f"The recipe's network holds {self.network!r}: known keys are {sorted(known)}")
        try:
            return PolicyConfig(channels=channels, **self.network)
        except OptionError as error:
            raise RecipeError(f"The recipe's network: {error}") from None

    def arm(self, name: str) -> Arm:
        """Return an arm by its name.

        Raises:
            RecipeError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise RecipeError(f"The recipe has no arm {name!r}: it has {', '.join(arm.name for arm in self.arms)}")


def read_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> RobotRecipe:
    """Read a recipe from YAML; unknown keys are errors.

    Args:
        path: of the file.
        overrides: values that replace those of the file, by top-level key.

    Raises:
        RecipeError: the file is missing, no YAML, or holds an unknown key or an impossible value.
        MissingExtraError: PyYAML is not installed.
    """
    values = read_values(path, example="demonstrations: 800", extra="robot")
    return make_recipe(values | (overrides or {}), str(path))


def make_recipe(values: dict[str, Any], where: str = "The recipe") -> RobotRecipe:
    """Build a recipe from plain values, as YAML holds them.

    Raises:
        RecipeError: an unknown key or an impossible value.
    """
    known = {f.name for f in dataclasses.fields(RobotRecipe)}
    if unknown := sorted(map(str, set(values) - known)):
        raise RecipeError(f"{where} holds unknown keys {unknown}; known are {sorted(known)}")
    values = dict(values)
    for name in ("verbs", "levels", "seeds", "arms"):
        if name in values:
            if not isinstance(values[name], list | tuple):
                raise RecipeError(f"{where} must give {name} as a list, not {values[name]!r}")
            values[name] = tuple(values[name])
    if "arms" in values:
        values["arms"] = tuple(_arm(one, where) for one in values["arms"])
    return RobotRecipe(**values)


def _arm(values: Any, where: str) -> Arm:
    known = {f.name for f in dataclasses.fields(Arm)}
    if not isinstance(values, dict) or set(values) - known or "name" not in values:
        raise RecipeError(f"{where} has an arm {values!r}: it needs a name, and may have {sorted(known - {'name'})}")
    return Arm(**values)
