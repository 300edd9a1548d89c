"""A training run as a file: one YAML that says everything, read strictly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ivm.core.errors import OptionError, RecipeError
from ivm.core.extras import optional
from ivm.core.recipe import check_keys, read_values
from ivm.training.checks import check_choice, check_flag, check_number
from ivm.training.ivm7b_recipe import Ivm7bRecipe
from ivm.training.settings import RunSettings

if TYPE_CHECKING:
    from ivm.data.tabletop.stream import TabletopStream
    from ivm.models.nano.network import NanoConfig

__all__ = ["MODELS", "Ivm7bRecipe", "NanoRecipe", "Recipe", "model_of", "parse_overrides", "read_recipe"]


def _default_weights() -> dict[str, float]:
    return {"bce": 5.0, "dice": 1.0, "presence": 0.3, "kinds": 0.3, "colors": 0.2}


@dataclass(frozen=True, kw_only=True)
class NanoRecipe(RunSettings):
    """Everything that decides a training run of `ivm-nano`.

    Attributes:
        start: weights to begin with, a `network.safetensors` of `ivm export` or a checkpoint; a path relative to the
            recipe's file. None begins with random ones.
        trunk: weights of the network's trunk alone to begin with, `recipes/mobilenet-v2.safetensors`; a path relative
            to the recipe's file. Not together with `start`.
        trunk_rate: learning rate of the trunk, in shares of `learning_rate`: it knows photos and should remember them.
        frozen: stages of the trunk, from the first, that are not trained at all.
        render_ahead: batches that a process of its own renders ahead for each that trains, so that none waits for the
            other's larger scene; 0 renders in the process that trains.
        tabletop: train on rendered tables; false trains on `records` alone.
        network: arguments of `models.nano.NanoConfig`.
        data: arguments of `data.tabletop.TabletopStream`; without the tabletop, of its `sizes` only.
        loss_weights: factor of each loss term.
    """

    start: str | None = None
    trunk: str | None = None
    trunk_rate: float = 1.0
    frozen: int = 0
    render_ahead: int = 0
    tabletop: bool = True
    network: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    loss_weights: dict[str, float] = field(default_factory=_default_weights)

    def __post_init__(self) -> None:
        """Check keys and ranges, those of the network and of the data too.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        if self.strategy == "fsdp":
            raise RecipeError("The recipe's strategy fsdp is for ivm-7b: an ivm-nano fits any GPU, so use ddp")
        super().__post_init__()
        check_number("render_ahead", self.render_ahead, 0, 64, whole=True)
        check_flag("tabletop", self.tabletop)
        for name in ("start", "trunk"):
            if not isinstance(getattr(self, name), str | None):
                raise RecipeError(
                    f"The recipe's {name} must be the path of a file with weights, not {getattr(self, name)!r}"
                )
        if self.start is not None and self.trunk is not None:
            raise RecipeError("The recipe's start has a trunk already: leave out one of start and trunk")
        check_number("trunk_rate", self.trunk_rate, 0, 1)
        check_keys("loss_weights", self.loss_weights, set(_default_weights()))
        if missing := sorted(set(_default_weights()) - set(self.loss_weights)):
            raise RecipeError(f"The recipe's loss_weights leave out {missing}: give all or none")
        for name, weight in self.loss_weights.items():
            check_number(f"loss_weights: {name}", weight, 0, math.inf)
        check_number("frozen", self.frozen, 0, len(self.sizes().widths), whole=True)
        self.stream()
        if not self.tabletop and not self.records:
            raise RecipeError("The recipe trains on nothing: name records, or set tabletop to true")

    def sizes(self, *, kinds: int = 1, colors: int = 1) -> NanoConfig:
        """Return the sizes of the network; `kinds` and `colors` are classes of its maps.

        Raises:
            RecipeError: `network` holds an unknown key or an impossible size.
        """
        from ivm.models.nano.network import NanoConfig

        check_keys("network", self.network, {f.name for f in dataclasses.fields(NanoConfig)} - {"kinds", "colors"})
        try:
            return NanoConfig(**self.network, kinds=kinds, colors=colors)
        except OptionError as error:
            raise RecipeError(f"The recipe's network: {error}") from None

    def batch_size(self, step: int) -> tuple[int, int]:
        """Return width and height of batch `step` without the tabletop, the same in all processes."""
        sizes = self.stream().sizes
        width, height = sizes[int(np.random.default_rng((self.seed, step, 2)).integers(len(sizes)))]
        return width, height

    def stream(self, rank: int = 0, world: int = 1) -> TabletopStream:
        """Return the data of process `rank` of `world`.

        Raises:
            RecipeError: `data` holds an unknown key or an impossible value.
        """
        from ivm.data.tabletop.stream import TabletopStream

        known = {f.name for f in dataclasses.fields(TabletopStream)} - {"seed", "rank", "world"}
        check_keys("data", self.data, known)
        try:
            return TabletopStream(seed=self.seed, rank=rank, world=world, **self.data)
        except OptionError as error:
            raise RecipeError(f"The recipe's data: {error}") from None


Recipe = NanoRecipe | Ivm7bRecipe

MODELS: dict[str, type[NanoRecipe] | type[Ivm7bRecipe]] = {"nano": NanoRecipe, "ivm-7b": Ivm7bRecipe}
"""What a recipe's key `model` may say; "nano" where it says nothing."""


def model_of(recipe: Recipe) -> str:
    """Return what the key `model` says of a recipe."""
    return next(name for name, kind in MODELS.items() if isinstance(recipe, kind))


def read_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe from YAML; unknown keys are errors.

    Args:
        path: of the file.
        overrides: values that replace those of the file, by key; `data.pictures` is the key `pictures` of `data`.

    Raises:
        RecipeError: the file is missing, no YAML, or holds an unknown key or an impossible value.
        MissingExtraError: PyYAML is not installed.
    """
    values = read_values(path, example="steps: 4000", extra="train")
    override(values, overrides or {})
    model = values.pop("model", "nano")
    check_choice("model", model, MODELS)
    kind = MODELS[model]
    known = {f.name for f in dataclasses.fields(kind)}
    if unknown := sorted(map(str, set(values) - known)):
        raise RecipeError(f"{path} holds unknown keys {unknown}; known are {sorted(known | {'model'})}")
    return _beside(kind(**values), Path(path).parent)


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` words of the command line: dots lead into a key's own keys, values are YAML.

    Raises:
        RecipeError: a word has no key or no YAML.
    """
    yaml = optional("yaml")
    overrides: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key or not all(key.split(".")):
            raise RecipeError(f"{word!r} changes nothing in a recipe: write key=value, for example data.pictures=4")
        try:
            overrides[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"The value in {word!r} is not YAML: {' '.join(str(error).split())}") from None
    return overrides


def override(values: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Replace values of a recipe, in place; a key `data.pictures` replaces one of the keys of `data`.

    Raises:
        RecipeError: the way leads through something that has no keys.
    """
    for key, value in overrides.items():
        *path, last = key.split(".")
        place = values
        for name in path:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise RecipeError(f"The recipe's {name} has no keys, so {key} cannot be replaced")
        place[last] = value


_PATHS = ("start", "trunk", "sam", "llava", "sam_cache")
"""Keys that may name a file or folder."""


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """Make paths relative to the recipe's folder, as they are meant; a hub id stays what it is."""
    changes: dict[str, Any] = {}
    for name in _PATHS:
        path = getattr(recipe, name, None)
        if path is not None and (name not in ("sam", "llava") or (folder / path).exists()):
            changes[name] = str(folder / path)
    if (records := recipe.record_settings()) is not None:
        changes["records"] = recipe.records | records.beside(folder)
    return dataclasses.replace(recipe, **changes) if changes else recipe
