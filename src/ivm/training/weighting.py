"""How much each label counts in training: strategies behind one interface.

    weighting.weights(labels) -> (N,), detached

"dwsl" is Discriminator-Weighted Supervised Learning (arXiv 2405.19783): a discriminator that tells human labels from
machine labels gives each label its weight, clipped so that none is trusted fully or thrown away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ivm.core.errors import OptionError


class Labels(NamedTuple):
    """What is known of N labels."""

    human: Tensor
    """(N,) float, 1 where people drew the mask, 0 where a machine did."""
    given: Tensor
    """(N,) float, 0 or more: the weight that each record brings."""
    verdict: Tensor | None = None
    """(N,) float, logits of the discriminator that a person drew it; None without one."""


class Weighting(ABC):
    """Gives each label its weight."""

    judged: ClassVar[bool] = False
    """Whether a discriminator is trained for it."""

    def weights(self, labels: Labels) -> Tensor:
        """Return (N,) float weights of 0 or more without a gradient.

        Raises:
            ValueError: a tensor is not (N,), or the verdict is missing.
        """
        verdict = labels.verdict
        if self.judged and verdict is None:
            raise ValueError(f"{type(self).__name__} needs the discriminator's verdict")
        shapes = {tuple(tensor.shape) for tensor in labels if tensor is not None}
        if shapes != {(len(labels.human),)}:
            raise ValueError(f"Labels must be of one shape (N,), not {sorted(shapes)}")
        weights = self._weights(labels._replace(verdict=None if verdict is None else verdict.detach()))
        return (weights * labels.given).detach()

    @abstractmethod
    def _weights(self, labels: Labels) -> Tensor:
        """Weights (N,) before those that the records bring."""


@dataclass(frozen=True, kw_only=True)
class Uniform(Weighting):
    """All labels count the same."""

    def _weights(self, labels: Labels) -> Tensor:
        return torch.ones_like(labels.human)


@dataclass(frozen=True, kw_only=True)
class HumanOnly(Weighting):
    """Machine labels do not count."""

    def _weights(self, labels: Labels) -> Tensor:
        return labels.human


@dataclass(frozen=True, kw_only=True)
class Fixed(Weighting):
    """One weight for human and one for machine labels; the defaults are those in the original's git (May 2024).

    Attributes:
        human: weight of human labels.
        machine: weight of machine labels.
    """

    human: float = 1.0
    machine: float = 0.2

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a weight is below 0.
        """
        for name in ("human", "machine"):
            _check(name, getattr(self, name), 0, 100)

    def _weights(self, labels: Labels) -> Tensor:
        return self.machine + (self.human - self.machine) * labels.human


@dataclass(frozen=True, kw_only=True)
class Filtered(Weighting):
    """Machine labels that the discriminator does not take for human ones are dropped; the others count fully.

    Attributes:
        least: probability of being human from which on a machine label is kept.
    """

    judged: ClassVar[bool] = True
    least: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: `least` is no probability.
        """
        _check("least", self.least, 0, 1)

    def _weights(self, labels: Labels) -> Tensor:
        assert labels.verdict is not None
        return torch.maximum(labels.human, (labels.verdict.sigmoid() >= self.least).to(labels.human))


@dataclass(frozen=True, kw_only=True)
class Dwsl(Weighting):
    """The discriminator's probability that a label is human, clipped.

    Attributes:
        low: least weight.
        high: greatest weight; 0.1 and 0.9 are those in the original's git (April 2024).
        trust_humans: give human labels the greatest weight whatever the discriminator says of them.
    """

    judged: ClassVar[bool] = True
    low: float = 0.1
    high: float = 0.9
    trust_humans: bool = False

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: the limits are not shares in order.
        """
        _check("low", self.low, 0, 1)
        _check("high", self.high, self.low, 1)
        if type(self.trust_humans) is not bool:
            raise OptionError(f"trust_humans must be true or false, not {self.trust_humans!r}")

    def _weights(self, labels: Labels) -> Tensor:
        assert labels.verdict is not None
        weights = labels.verdict.sigmoid().clamp(self.low, self.high)
        return torch.where(labels.human > 0.5, self.high, weights) if self.trust_humans else weights


WEIGHTINGS: dict[str, type[Weighting]] = {
    "uniform": Uniform,
    "human-only": HumanOnly,
    "fixed": Fixed,
    "filtered": Filtered,
    "dwsl": Dwsl,
}


def make_weighting(options: Mapping[str, Any]) -> Weighting:
    """Make a weighting of a recipe's words, `{"kind": "dwsl", "low": 0.1}`.

    Raises:
        OptionError: the kind or an option is unknown, or a value impossible.
    """
    kind = options.get("kind", "uniform")
    if kind not in WEIGHTINGS:
        raise OptionError(f"kind must be one of {', '.join(WEIGHTINGS)}, not {kind!r}")
    made = WEIGHTINGS[kind]
    known = {field.name for field in fields(made)}  # type: ignore[arg-type]
    if unknown := sorted(map(str, set(options) - known - {"kind"})):
        raise OptionError(f"{kind} knows no {', '.join(unknown)}; it knows {', '.join(sorted(known)) or 'no options'}")
    return made(**{name: value for name, value in options.items() if name != "kind"})


def _check(name: str, value: object, low: float, high: float) -> None:
    if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
        raise OptionError(f"{name} must be a number from {low} to {high}, not {value!r}")
