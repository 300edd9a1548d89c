"""The run's one LMM client: in this process, or in an actor that all workers ask.

One client for all keeps the promises of one: so many requests at once, one budget, equal questions asked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ivm.core.errors import LmmError
from ivm.lmm.answers import Answer, Usage
from ivm.lmm.blocking import BlockingLmm
from ivm.lmm.budget import Budget, Prices
from ivm.lmm.client import LmmClient
from ivm.lmm.questions import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class LmmSettings:
    """How the LMM is reached; everything but the key, which stays in the environment of the machine that asks.

    Attributes:
        base_url: of the server.
        model: as the server calls it.
        cache: file that keeps answers and counts what was paid, on the machine that asks.
        options: further arguments of `LmmClient`.
        budget_tokens: most tokens of a run with all its resumptions.
        budget_cost: most money, in the currency of the prices.
        prices: of a million tokens, "prompt" and "completion".
    """

    base_url: str
    model: str
    cache: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    budget_tokens: int | None = None
    budget_cost: float | None = None
    prices: Mapping[str, float] | None = None

    def client(self) -> LmmClient:
        """Make the client.

        Raises:
            OptionError: a setting has a value outside its range.
            OutputError: the cache cannot be opened.
            MissingExtraError: the package openai is not installed.
        """
        limited = self.budget_tokens is not None or self.budget_cost is not None
        return LmmClient(
            self.base_url,
            self.model,
            cache=self.cache,
            budget=Budget(tokens=self.budget_tokens, cost=self.budget_cost, lifelong=True) if limited else None,
            prices=Prices(**self.prices) if self.prices is not None else None,
            **self.options,
        )

    def described(self) -> dict[str, Any]:
        """What the records depend on."""
        return {"model": self.model, "structured": self.options.get("structured", "json_schema")}


class Desk:
    """The client in this process, as an `Asker`."""

    def __init__(self, settings: LmmSettings) -> None:
        """Make the client; raises as `LmmSettings.client` does."""
        self.model = settings.model
        self._lmm = BlockingLmm(settings.client())

    def ask_each(self, questions: Sequence[Question]) -> list[Answer | LmmError]:
        """Ask side by side."""
        return self._lmm.ask_each(questions)

    def report(self) -> Usage:
        """What was asked so far."""
        return self._lmm.report()

    def close(self) -> None:
        """Give everything back."""
        self._lmm.close()


class RemoteDesk:
    """The client in an actor, as an `Asker` that workers can be given."""

    def __init__(self, actor: Any, model: str) -> None:
        self._actor, self.model = actor, model

    def ask_each(self, questions: Sequence[Question]) -> list[Answer | LmmError]:
        """Ask side by side; an actor that died is started anew, and answers from the cache."""
        import ray

        answers: list[Answer | LmmError] = ray.get(self._actor.ask_each.remote([asdict(one) for one in questions]))
        return answers


class DeskActor:
    """What runs in the actor: an async class, so that many workers ask at the same time."""

    def __init__(self, settings: LmmSettings) -> None:
        self._client = settings.client()

    async def ask_each(self, questions: Sequence[Mapping[str, Any]]) -> list[Answer | LmmError]:
        """Ask side by side."""
        return await self._client.ask_each([Question(**one) for one in questions])

    async def report(self) -> Usage:
        """What was asked so far."""
        return self._client.report()
