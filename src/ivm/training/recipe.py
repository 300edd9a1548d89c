"""A training run as a file: one YAML that says everything, read strictly."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ivm.core.errors import OptionError, RecipeError
from ivm.core.extras import optional

if TYPE_CHECKING:
    from ivm.data.tabletop.stream import TabletopStream
    from ivm.models.nano.network import NanoConfig


HELD_OUT = 900_000
"""Seeds from here on belong to calibration and evaluation: no recipe trains on their scenes."""

Precision = Literal["32-true", "bf16-mixed"]
"""Lightning's names."""

_WHOLE = (
    ("seed", 0, HELD_OUT - 1),
    ("render_ahead", 0, 64),
    *((name, 1, math.inf) for name in ("processes", "steps", "warmup", "save_every")),
)
_REAL = (("learning_rate", 1e-9, 1), ("weight_decay", 0, 1), ("decay", 0, 1), ("clip", 0, math.inf), ("ema", 0, 1))
"""Names of numbers with the least and the greatest that they may be."""


def _default_weights() -> dict[str, float]:
    return {"bce": 5.0, "dice": 1.0, "presence": 0.3, "kinds": 0.3, "colors": 0.2}


@dataclass(frozen=True, kw_only=True)
class NanoRecipe:
    """Everything that decides a training run of `ivm-nano`.

    Attributes:
        seed: of weights, scenes and questions.
        processes: how many train together, each on one thread of a CPU.
        steps: optimiser steps.
        learning_rate: peak rate of AdamW.
        weight_decay: on matrices and kernels.
        warmup: steps of linear rise.
        decay: share of the steps, at the end, over which the rate falls to zero.
        clip: greatest norm of the gradient.
        ema: decay of the moving average of the weights that is exported.
        start: weights to begin with, a `network.safetensors` of `ivm export` or a checkpoint; a path relative to the
            recipe's file. None begins with random ones.
        precision: "32-true", or "bf16-mixed" for processors that multiply in bfloat16, there almost twice as fast.
        save_every: steps between checkpoints.
        render_ahead: batches that a process of its own renders ahead for each that trains, so that none waits for the
            other's larger scene; 0 renders in the process that trains.
        network: arguments of `models.nano.NanoConfig`.
        data: arguments of `data.tabletop.TabletopStream`.
        loss_weights: factor of each loss term.
    """

    seed: int = 0
    processes: int = 2
    steps: int = 4000
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    warmup: int = 200
    decay: float = 0.3
    clip: float = 2.0
    ema: float = 0.998
    start: str | None = None
    precision: Precision = "32-true"
    save_every: int = 200
    render_ahead: int = 0
    network: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    loss_weights: dict[str, float] = field(default_factory=_default_weights)

    def __post_init__(self) -> None:
        """Check keys and ranges, those of the network and of the data too.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        for whole, ranges in ((True, _WHOLE), (False, _REAL)):
            for name, low, high in ranges:
                _check_number(name, getattr(self, name), low, high, whole=whole)
        if self.precision not in get_args(Precision):
            raise RecipeError(f"The recipe's precision must be one of {get_args(Precision)}, not {self.precision!r}")
        if self.start is not None and not isinstance(self.start, str):
            raise RecipeError(f"The recipe's start must be the path of a file with weights, not {self.start!r}")
        _check_keys("loss_weights", self.loss_weights, set(_default_weights()))
        if missing := sorted(set(_default_weights()) - set(self.loss_weights)):
            raise RecipeError(f"The recipe's loss_weights leave out {missing}: give all or none")
        for name, weight in self.loss_weights.items():
            _check_number(f"loss_weights: {name}", weight, 0, math.inf)
        self.sizes()
        self.stream()

    def sizes(self, *, kinds: int = 1, colors: int = 1) -> NanoConfig:
        """Return the sizes of the network; `kinds` and `colors` are classes of its maps.

        Raises:
            RecipeError: `network` holds an unknown key or an impossible size.
        """
        from ivm.models.nano.network import NanoConfig

        _check_keys("network", self.network, {f.name for f in dataclasses.fields(NanoConfig)} - {"kinds", "colors"})
        try:
            return NanoConfig(**self.network, kinds=kinds, colors=colors)
        except OptionError as error:
            raise RecipeError(f"The recipe's network: {error}") from None

    def stream(self, rank: int = 0, world: int = 1) -> TabletopStream:
        """Return the data of process `rank` of `world`.

        Raises:
            RecipeError: `data` holds an unknown key or an impossible value.
        """
        from ivm.data.tabletop.stream import TabletopStream

        known = {f.name for f in dataclasses.fields(TabletopStream)} - {"seed", "rank", "world"}
        _check_keys("data", self.data, known)
        try:
            return TabletopStream(seed=self.seed, rank=rank, world=world, **self.data)
        except OptionError as error:
            raise RecipeError(f"The recipe's data: {error}") from None


def _check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    number = type(value) is int or (type(value) is float and not whole)
    if not number or not low <= value <= high or value == math.inf:  # type: ignore[operator]
        upper = f"to {high}" if high < math.inf else "up"
        raise RecipeError(f"The recipe's {name} must be a {'whole ' * whole}number from {low} {upper}, not {value!r}")


def _check_keys(name: str, values: object, known: set[str]) -> None:
    if not isinstance(values, dict):
        raise RecipeError(f"The recipe's {name} must hold keys and values, not {values!r}")
    if unknown := sorted(map(str, set(values) - known)):
        raise RecipeError(f"The recipe's {name} hold unknown keys {unknown}; known are {sorted(known)}")


def read_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> NanoRecipe:
    """Read a recipe from YAML; unknown keys are errors.

    Args:
        path: of the file.
        overrides: values that replace those of the file, by top-level key.

    Raises:
        RecipeError: the file is missing, no YAML, or holds an unknown key or an impossible value.
        MissingExtraError: PyYAML is not installed.
    """
    yaml = optional("yaml")
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"No recipe can be read at {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path} must hold keys and values, for example 'steps: 4000'")
    values |= overrides or {}
    known = {f.name for f in dataclasses.fields(NanoRecipe)}
    if unknown := sorted(map(str, set(values) - known)):
        raise RecipeError(f"{path} holds unknown keys {unknown}; known are {sorted(known)}")
    recipe = NanoRecipe(**values)
    if recipe.start is None:
        return recipe
    return dataclasses.replace(recipe, start=str(Path(path).parent / recipe.start))
