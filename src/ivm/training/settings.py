"""What every recipe says, whichever model it trains."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from ivm.core.errors import OptionError, RecipeError
from ivm.core.recipe import check_keys
from ivm.training.checks import check_choice, check_flag, check_number
from ivm.training.losses import Judging
from ivm.training.record_source import RecordSettings
from ivm.training.weighting import Weighting, make_weighting

HELD_OUT = 900_000
"""Seeds from here on belong to calibration and evaluation: no recipe trains on their scenes."""

Precision = Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true"]
"""Lightning's names."""

Strategy = Literal["auto", "ddp", "fsdp"]
Accelerator = Literal["cpu", "gpu", "auto"]

_WHOLE = (
    ("seed", 0, HELD_OUT - 1),
    ("pictures_every", 0, math.inf),
    *((name, 1, math.inf) for name in ("processes", "nodes", "steps", "warmup", "save_every", "accumulate")),
)
_REAL = (("learning_rate", 1e-9, 1), ("weight_decay", 0, 1), ("decay", 0, 1), ("clip", 0, math.inf), ("ema", 0, 1))
"""Names of numbers with the least and the greatest that they may be."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSettings:
    """How the discriminator learns, where the weighting asks for one.

    Attributes:
        judging: "classes", or "positive-unlabelled" where a share of the machine labels is taken to be good.
        prior: that share; see `losses.discriminator_loss`.
        agreement: show it how far the model agrees with each label. Only where it is trained beside the model.
        learning_rate: peak rate of AdamW.
        first_steps: steps at the start in which it alone learns, and after which it stays as it is: the paper's two
            stages. 0 trains it beside the model all the time.
        width: channels of the first stage of the small discriminator.
        lora_rank: rank of the adapters of the large one.
    """

    judging: Judging = "classes"
    prior: float = 0.5
    agreement: bool = True
    learning_rate: float = 1e-3
    first_steps: int = 0
    width: int = 16
    lora_rank: int = 8

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        check_choice("discriminator: judging", self.judging, get_args(Judging))
        check_number("discriminator: prior", self.prior, 1e-3, 1)
        check_flag("discriminator: agreement", self.agreement)
        check_number("discriminator: learning_rate", self.learning_rate, 1e-9, 1)
        for name, low in (("first_steps", 0), ("width", 1), ("lora_rank", 1)):
            check_number(f"discriminator: {name}", getattr(self, name), low, whole=True)
        if self.first_steps and self.agreement:
            raise RecipeError(
                "The recipe's discriminator learns before the model in its first_steps, and cannot ask it: set "
                "agreement to false"
            )


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything that decides a run beside the model and its data.

    Attributes:
        seed: of weights and of what is drawn.
        processes: how many train together on each machine: one a GPU, or each on one thread of a CPU.
        nodes: machines, whose cluster starts a process of `ivm train` for each GPU.
        accelerator: "cpu", "gpu", or "auto" for a GPU where there is one.
        strategy: "ddp" copies the model to each process, "fsdp" shards it over them; "auto" is "ddp" for several.
        steps: optimiser steps.
        accumulate: batches whose gradients make a step.
        learning_rate: peak rate of AdamW.
        weight_decay: on matrices and kernels.
        warmup: steps of linear rise.
        decay: share of the steps, at the end, over which the rate falls to zero.
        clip: greatest norm of the gradient; 0 does not clip.
        ema: decay of the moving average of the weights that is exported.
        precision: "32-true", "bf16-mixed" for processors that multiply in bfloat16, there almost twice as fast; or
            another of Lightning's.
        save_every: steps between checkpoints.
        pictures_every: steps between example pictures in TensorBoard; 0 draws none.
        weighting: `kind` and options of a weighting, see `training.weighting`.
        discriminator: see `DiscriminatorSettings`.
        records: pictures of data sets, see `record_source.RecordSettings`.
    """

    seed: int = 0
    processes: int = 2
    nodes: int = 1
    accelerator: Accelerator = "cpu"
    strategy: Strategy = "auto"
    steps: int = 4000
    accumulate: int = 1
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    warmup: int = 200
    decay: float = 0.3
    clip: float = 2.0
    ema: float = 0.998
    precision: Precision = "32-true"
    save_every: int = 200
    pictures_every: int = 500
    weighting: dict[str, Any] = field(default_factory=dict)
    discriminator: dict[str, Any] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check keys and ranges.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        for whole, ranges in ((True, _WHOLE), (False, _REAL)):
            for name, low, high in ranges:
                check_number(name, getattr(self, name), low, high, whole=whole)
        check_choice("precision", self.precision, get_args(Precision))
        check_choice("strategy", self.strategy, get_args(Strategy))
        check_choice("accelerator", self.accelerator, get_args(Accelerator))
        self.make_weighting()
        if self.strategy == "fsdp" and (self.ema or self.pictures_every):
            raise RecipeError(
                "The recipe's strategy fsdp keeps no average and draws no pictures: set ema and pictures_every to 0"
            )
        if self.judge().first_steps and not self.make_weighting().judged:
            raise RecipeError("The recipe's discriminator has first_steps, but its weighting asks for none")
        self.record_settings()

    @property
    def first_steps(self) -> int:
        """Steps in which only the discriminator learns."""
        return self.judge().first_steps if self.make_weighting().judged else 0

    def make_weighting(self) -> Weighting:
        """Return the weighting.

        Raises:
            RecipeError: it is unknown, or an option impossible.
        """
        if not isinstance(self.weighting, dict):
            raise RecipeError(f"The recipe's weighting must hold keys and values, not {self.weighting!r}")
        try:
            return make_weighting(self.weighting)
        except OptionError as error:
            raise RecipeError(f"The recipe's weighting: {error}") from None

    def judge(self) -> DiscriminatorSettings:
        """Return how the discriminator learns.

        Raises:
            RecipeError: a key is unknown, or a value impossible.
        """
        check_keys("discriminator", self.discriminator, {f.name for f in fields(DiscriminatorSettings)})
        return DiscriminatorSettings(**self.discriminator)

    def record_settings(self) -> RecordSettings | None:
        """Return which data sets are read, None for none.

        Raises:
            RecipeError: a key is unknown, or a value impossible.
        """
        if self.records == {}:
            return None
        check_keys("records", self.records, {f.name for f in fields(RecordSettings)})
        return RecordSettings(**self.records)
