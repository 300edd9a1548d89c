"""One question to a model, with everything that decides its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ivm.core.errors import OptionError
from ivm.lmm.messages import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked, and how the answer should be.

    Equal questions have one answer, which the cache keeps: for another sample of a hot model, change `seed`.

    Attributes:
        messages: as the protocol has them; `ivm.lmm.messages` makes them.
        schema: a JSON schema that the answer must meet; None for free text.
        max_tokens: longest answer.
        temperature: 0 for the likeliest answer; None leaves it to the server, as some models demand.
        seed: for servers that take one.
        logprobs: how many of the likeliest tokens to tell in each place, with the answer's own; 0 for no
            log-probabilities.
    """

    messages: list[Message]
    schema: dict[str, Any] | None = None
    max_tokens: int = 512
    temperature: float | None = 0.0
    seed: int | None = None
    logprobs: int = 0

    def __post_init__(self) -> None:
        """Check values.

        Raises:
            OptionError: a value is outside its range, or the messages are not such.
        """
        if (
            not isinstance(self.messages, list)
            or not self.messages
            or not all(isinstance(message, dict) and isinstance(message.get("role"), str) for message in self.messages)
        ):
            raise OptionError('A question needs messages such as {"role": "user", "content": "..."}')
        if type(self.max_tokens) is not int or self.max_tokens < 1:
            raise OptionError(f"max_tokens must be a whole number of 1 or more, not {self.max_tokens!r}")
        if type(self.logprobs) is not int or not 0 <= self.logprobs <= 20:
            raise OptionError(f"logprobs must be a whole number from 0 to 20, not {self.logprobs!r}")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise OptionError(f"temperature must be a number from 0 to 2, not {self.temperature!r}")
        try:
            json.dumps([self.messages, self.schema])
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"Messages and schema hold JSON's types only ({error}): make a picture's part with messages.picture"
            ) from None

    def options(self, limit: str) -> dict[str, Any]:
        """What a request says beside messages and form.

        Args:
            limit: the server's name for the longest answer.
        """
        options: dict[str, Any] = {limit: self.max_tokens}
        if self.temperature is not None:
            options["temperature"] = self.temperature
        if self.seed is not None:
            options["seed"] = self.seed
        if self.logprobs:
            options |= {"logprobs": True, "top_logprobs": self.logprobs}
        return options
