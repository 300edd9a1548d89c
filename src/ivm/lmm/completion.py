"""The body of a chat completion, read without trust."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ivm.lmm.answers import TokenLogprob, TokenUsage
from ivm.lmm.retrying import NoCompletionError


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer as a server sent it."""

    text: str
    refusal: str | None
    finish_reason: str
    usage: TokenUsage | None
    """None where the server does not count."""
    logprobs: tuple[TokenLogprob, ...] | None


def read_completion(body: bytes) -> Completion:
    """Read the body of an answer with status 200.

    Raises:
        NoCompletionError: it is not JSON, or no chat completion with an answer in it.
    """
    try:
        told = json.loads(body)
        choice = told["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        if not isinstance(text, str) and not isinstance(refusal, str):
            raise NoCompletionError("the answer holds neither a text nor a refusal")
        return Completion(
            text=text if isinstance(text, str) else "",
            refusal=refusal if isinstance(refusal, str) and refusal else None,
            finish_reason=str(choice.get("finish_reason") or "stop"),
            usage=_usage(told.get("usage")),
            logprobs=_logprobs(choice.get("logprobs")),
        )
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise NoCompletionError(f"the answer is no chat completion ({type(error).__name__})") from None


def _usage(told: Any) -> TokenUsage | None:
    match told:
        case {"prompt_tokens": int(prompt), "completion_tokens": int(completion)}:
            return TokenUsage(prompt=prompt, completion=completion)
    return None


def _logprobs(told: Any) -> tuple[TokenLogprob, ...] | None:
    if not isinstance(told, dict) or not isinstance(told.get("content"), list):
        return None
    return tuple(
        TokenLogprob(
            token=str(token["token"]),
            logprob=float(token["logprob"]),
            top={str(other["token"]): float(other["logprob"]) for other in token.get("top_logprobs") or ()},
        )
        for token in told["content"]
    )
