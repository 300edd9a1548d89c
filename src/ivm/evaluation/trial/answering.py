"""Who answers: any model behind the OpenAI protocol; `local.py` has models of transformers in this process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ivm.core.model import RGBImage
from ivm.lmm.blocking import BlockingLmm
from ivm.lmm.messages import picture, user
from ivm.lmm.questions import Question

MAX_TOKENS = 512
"""Longest reply: room for a sentence that ends in a letter."""

TOP = 20
"""Likeliest tokens that are asked for when options are ranked: the most that the protocol gives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back, and what it took."""

    text: str
    refused: bool = False
    ranked: Mapping[str, float] | None = None
    """Log-probability of each option's letter as the first token; None where the model does not tell."""
    latency_s: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False


class Answerer(Protocol):
    """Answers questions about pictures; several threads may ask at once."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What decides its answers, in JSON's types; equal ones answer equally."""
        ...

    def ask(self, pictures: Sequence[RGBImage], prompt: str, letters: str = "") -> Reply:
        """Answer one question.

        Args:
            pictures: one or more, (H, W, 3) uint8.
            prompt: the words.
            letters: of the options to rank by likelihood; "" for a reply in words.

        Raises:
            BudgetError: no more may be spent.
            LmmError: it was not answered.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EndpointAnswerer:
    """A model behind the OpenAI protocol.

    Attributes:
        lmm: asks it, with cache, budget and retries.
        model: its name.
        base_url: of its server.
        kind: how pictures are sent: "jpg" of quality 95, or "png" without loss.
        longest: pictures with a longer side are made smaller to this; None sends all pixels.
        max_tokens: longest reply.
        seed: for servers that take one.
    """

    lmm: BlockingLmm
    model: str
    base_url: str
    kind: Literal["jpg", "png"] = "jpg"
    longest: int | None = None
    max_tokens: int = MAX_TOKENS
    seed: int | None = 0

    @property
    def about(self) -> Mapping[str, Any]:
        """See `Answerer.about`; the temperature is always 0."""
        told = {name: getattr(self, name) for name in ("model", "base_url", "kind", "longest", "max_tokens", "seed")}
        return {"answerer": "endpoint", **told}

    def ask(self, pictures: Sequence[RGBImage], prompt: str, letters: str = "") -> Reply:
        """See `Answerer.ask`."""
        parts = [picture(one, kind=self.kind, quality=95, longest=self.longest) for one in pictures]
        answer = self.lmm.ask(
            Question(
                messages=[user(*parts, prompt)],
                max_tokens=1 if letters else self.max_tokens,
                seed=self.seed,
                logprobs=TOP if letters else 0,
            )
        )
        ranked = None
        if letters and answer.logprobs:
            first = answer.logprobs[0]
            ranked = ranking({first.token: first.logprob} | first.top, letters)
        return Reply(
            text=answer.text,
            refused=answer.refusal is not None,
            ranked=ranked,
            latency_s=answer.latency_s,
            prompt_tokens=answer.usage.prompt,
            completion_tokens=answer.usage.completion,
            cached=answer.cached,
        )


def ranking(tokens: Mapping[str, float], letters: str) -> dict[str, float]:
    """Sum up the probability of each letter over the tokens that spell it, such as "B", " B" and "(B".

    Args:
        tokens: log-probability by token.
        letters: of the options.

    Returns:
        Log-probability by letter; letters that no token spells are left out.
    """
    sums: dict[str, float] = {}
    for token, value in tokens.items():
        letter = token.strip(" (\n\t▁Ġ").upper()
        if letter and len(letter) == 1 and letter in letters:
            sums[letter] = sums.get(letter, 0.0) + math.exp(value)
    return {letter: math.log(value) for letter, value in sums.items() if value > 0}
