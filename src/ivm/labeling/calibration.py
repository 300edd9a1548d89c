"""How far each expert is to be believed: what its logits mean, and its weight among the others."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.files import write_files

VERSION = 1
STRONGEST = 6.0
"""Bound of one expert's evidence: nobody is surer than 400 to 1."""
_NEUTRAL_QUALITY = (0.5, 0.1, 0.2, 0.1, 0.1)
"""Weights of the signs of a good mask where nothing was learnt; they add up to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertCalibration:
    """What one expert's answers mean.

    Attributes:
        logits: increasing points.
        evidence: log-likelihood ratio at each of them.
        weight: among the others, 0 or more.
        presence: slope and offset of its log-odds of presence.
        mean_iou: of its own calibrated mask on the calibration set, for people.
    """

    logits: tuple[float, ...]
    evidence: tuple[float, ...]
    weight: float
    presence: tuple[float, float] = (1.0, 0.0)
    mean_iou: float | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            OptionError: they are no table, or not finite.
        """
        flat = [*self.logits, *self.evidence, self.weight, *self.presence]
        if (
            len(self.logits) != len(self.evidence)
            or len(self.logits) < 1
            or not all(isinstance(value, int | float) and math.isfinite(value) for value in flat)
            or list(self.logits) != sorted(set(self.logits))
            or self.weight < 0
            or len(self.presence) != 2
        ):
            raise OptionError("A calibration holds increasing logits, as many values of evidence, and a weight")


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How experts are joined; without experts in it, all count alike and logits are taken as they are.

    Attributes:
        experts: by name.
        offset: added to the joined logits.
        sharpness: how much an expert that disagrees with the others here counts less here; 0 not at all.
        support: share of the weight that a region needs, in [0, 1].
        quality_weights: of the signs of a good mask, see `fusion.SIGNS`.
        quality_offset: added to their sum.
        records: number of labelled ones that it was learnt from.
    """

    experts: Mapping[str, ExpertCalibration] = field(default_factory=dict)
    offset: float = 0.0
    sharpness: float = 1.0
    support: float = 0.35
    quality_weights: tuple[float, ...] = _NEUTRAL_QUALITY
    quality_offset: float = 0.0
    records: int = 0

    def knows(self, name: str) -> bool:
        """Whether an expert was calibrated."""
        return name in self.experts

    def weight(self, name: str) -> float:
        """An expert's weight; 1 where none is known."""
        return self.experts[name].weight if name in self.experts else 1.0

    def evidence(self, name: str, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Read logits (h, w) as log-likelihood ratios (h, w)."""
        if name not in self.experts:
            return np.clip(logits, -STRONGEST, STRONGEST)
        table = self.experts[name]
        return np.interp(logits, table.logits, table.evidence).astype(np.float32)

    def presence(self, name: str, presence: float) -> float:
        """The probability that a thing is there, by one expert's own."""
        if name not in self.experts:
            return presence
        slope, offset = self.experts[name].presence
        own = min(max(presence, 1e-4), 1 - 1e-4)
        return 1 / (1 + math.exp(-(slope * math.log(own / (1 - own)) + offset)))

    def quality(self, signs: NDArray[np.float64]) -> float:
        """Expected overlap with the truth by the signs of a good mask."""
        return float(np.clip(np.dot(self.quality_weights, signs) + self.quality_offset, 0, 1))

    def write(self, path: str | Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: it cannot be written.
        """
        write_files([(Path(path), json.dumps({"version": VERSION, **asdict(self)}, indent=1).encode())])

    @classmethod
    def read(cls, path: str | Path) -> Calibration:
        """Read what `write` wrote.

        Raises:
            OptionError: it cannot be read, or is no calibration.
        """
        try:
            told = json.loads(Path(path).read_bytes())
            if told.pop("version") != VERSION:
                raise OptionError(f"'{path}' is a calibration of another version: calibrate again")
            experts = {str(name): ExpertCalibration(**_tuples(one)) for name, one in told.pop("experts").items()}
            return cls(experts=experts, **_tuples(told))
        except OSError as error:
            raise OptionError(f"The calibration '{path}' cannot be read ({error.strerror}): check the path") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, OptionError):
                raise
            raise OptionError(f"'{path}' is no calibration: write one with ivm label calibrate") from None


def _tuples(told: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
