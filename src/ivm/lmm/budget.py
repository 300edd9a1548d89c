"""What questions may cost: prices, and a limit that is looked at before a question is sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ivm.core.errors import BudgetError, OptionError
from ivm.lmm.answers import TokenUsage


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Price of a million tokens, in any currency."""

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a price is no number of 0 or more.
        """
        for name, value in (("prompt", self.prompt), ("completion", self.completion)):
            _check_amount(f"price of {name} tokens", value)

    def cost(self, usage: TokenUsage) -> float:
        """What tokens cost."""
        return (usage.prompt * self.prompt + usage.completion * self.completion) / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Most that may be spent; None sets no limit.

    Attributes:
        tokens: of questions and answers together.
        cost: in the currency of the prices, which must be given then.
        lifelong: what the cache's file has seen paid counts as well, so that one budget holds over runs and kills.
    """

    tokens: int | None = None
    cost: float | None = None
    lifelong: bool = False

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: a limit is no number of 0 or more.
        """
        for name, value in (("tokens", self.tokens), ("cost", self.cost)):
            if value is not None:
                _check_amount(f"budget's {name}", value)


class Ledger:
    """Keeps what was spent, and what questions on their way may still cost.

    A question is let go only where its estimated prompt and its longest answer fit into what is left, so that as many
    questions at once as one likes stay within the budget together. The estimate of prompts learns from the counts of
    the server: it is raised by the worst factor seen.
    """

    def __init__(self, budget: Budget | None, prices: Prices | None, spent: TokenUsage) -> None:
        """Begin.

        Args:
            budget: None for no limit.
            prices: None where costs are unknown.
            spent: what counts as spent already.

        Raises:
            OptionError: the budget limits costs, and no prices are given.
        """
        if budget is not None and budget.cost is not None and prices is None:
            raise OptionError("A budget of costs needs prices: give prices=Prices(prompt=..., completion=...)")
        self._budget, self._prices = budget, prices
        self._before, self.spent = spent, TokenUsage()
        self._reserved = TokenUsage()
        self._factor = 1.0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def cost(self) -> float | None:
        """Spent since the beginning; None without prices."""
        return None if self._prices is None else self._prices.cost(self.spent)

    @property
    def limited(self) -> bool:
        """Whether there is a budget, and estimates are needed."""
        return self._budget is not None

    @asynccontextmanager
    async def reserved(self, prompt: int, completion: int) -> AsyncIterator[None]:
        """Keep tokens aside while a question is on its way; wait where only others on their way stand against it.

        Args:
            prompt: estimated tokens of the question.
            completion: most tokens of the answer.

        Raises:
            BudgetError: they do not fit into what is left.
        """
        wanted = TokenUsage(prompt=math.ceil(prompt * self._factor), completion=completion)
        while not self._fits(self._reserved + wanted):
            if not self._fits(wanted):
                raise BudgetError(self._too_much(wanted))
            await self._wait()
        self._reserved += wanted
        try:
            yield
        finally:
            self._reserved = TokenUsage(
                prompt=self._reserved.prompt - wanted.prompt, completion=self._reserved.completion - wanted.completion
            )
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    def pay(self, usage: TokenUsage, *, estimated: int) -> None:
        """Note what a question took, and what its prompt had been estimated at."""
        self.spent += usage
        if estimated:
            self._factor = max(self._factor, usage.prompt / estimated)

    async def _wait(self) -> None:
        """Sleep until a question is back."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        finally:
            self._waiting.remove(turn)

    def _fits(self, more: TokenUsage) -> bool:
        after, budget = self._paid() + more, self._budget
        if budget is None:
            return True
        if budget.tokens is not None and after.total > budget.tokens:
            return False
        return budget.cost is None or self._prices is None or self._prices.cost(after) <= budget.cost

    def _paid(self) -> TokenUsage:
        return self._before + self.spent

    def _too_much(self, wanted: TokenUsage) -> str:
        budget, paid = self._budget, self._paid()
        assert budget is not None, "without a budget all fits"
        limits, needs, spent = [], f"{wanted.total:,} tokens", f"{paid.total:,} tokens"
        if budget.tokens is not None:
            limits.append(f"{budget.tokens:,} tokens")
        if budget.cost is not None and self._prices is not None:
            limits.append(f"a cost of {budget.cost:g}")
            needs += f" (a cost of {self._prices.cost(wanted):.4f})"
            spent += f" ({self._prices.cost(paid):.4f})"
        return (
            f"The next question could take {needs}, and of the budget of {' and '.join(limits)} {spent} are spent: "
            "raise the budget and run again, answers in the cache are not paid twice"
        )


def _check_amount(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise OptionError(f"The {name} must be a number of 0 or more, not {value!r}")
