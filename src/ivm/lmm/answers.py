"""What comes back from a model, and what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUsage:
    """Tokens of one question as its server counted them."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        """Add both counts."""
        return TokenUsage(prompt=self.prompt + other.prompt, completion=self.completion + other.completion)

    @property
    def total(self) -> int:
        """Tokens of question and answer together."""
        return self.prompt + self.completion


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLogprob:
    """One token of an answer with its natural log-probability, and the likeliest ones in its place."""

    token: str
    logprob: float
    top: dict[str, float]
    """Log-probability by token; empty where none were asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: as it came; empty where it refused.
        parsed: the JSON value where a schema was given and the model did not refuse, else None.
        usage: tokens, those of answers of the wrong form included; of a cached answer those that it took once.
        cached: from the cache, so nothing was paid now.
        latency_s: seconds that the server took for the good answer; of a cached one what it took then.
        finish_reason: "stop", "length" where the answer was cut short, or what else the server says.
        refusal: the model's words where it declines to answer, else None.
        logprobs: one a token where they were asked for and the server gives them, else None.
        reasked: how often the model was asked again because its answer was not of the form asked for.
    """

    text: str
    parsed: Any
    usage: TokenUsage
    cached: bool
    latency_s: float
    finish_reason: str
    refusal: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    reasked: int = 0

    def to_json(self) -> dict[str, Any]:
        """All but `cached`, in JSON's types."""
        told = asdict(self)
        del told["cached"]
        return told

    @classmethod
    def from_cache(cls, told: dict[str, Any]) -> Answer:
        """Read what `to_json` gave."""
        logprobs = told["logprobs"]
        return cls(
            **{
                **told,
                "usage": TokenUsage(**told["usage"]),
                "logprobs": None if logprobs is None else tuple(TokenLogprob(**token) for token in logprobs),
            },
            cached=True,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a client did since it was made.

    Attributes:
        calls: requests that a server answered well.
        cached: questions answered from the cache, or by the same question's request that was on its way.
        retries: requests that were sent again after a failure that may pass.
        reasked: answers that were not of the form asked for.
        failed: questions that ended in an error.
        prompt_tokens: as the servers counted them.
        completion_tokens: likewise.
        cost: in the prices' currency; None where no prices are given.
    """

    calls: int = 0
    cached: int = 0
    retries: int = 0
    reasked: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As a report holds it."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for people."""
        told = (
            f"{self.calls:,} calls, {self.cached:,} from the cache, {self.retries:,} sent again, "
            f"{self.reasked:,} asked again, {self.failed:,} failed; "
            f"{self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        )
        return told if self.cost is None else f"{told}, cost {self.cost:.4f}"
