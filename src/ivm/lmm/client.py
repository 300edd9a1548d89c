"""`LmmClient`: asks a model over the OpenAI protocol, and neither loses an answer nor pays for one twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from ivm.core.errors import LmmAnswerError, LmmError, OptionError
from ivm.lmm.answers import Answer, TokenUsage, Usage
from ivm.lmm.budget import Budget, Ledger, Prices
from ivm.lmm.cache import AnswerCache, key_of
from ivm.lmm.completion import Completion
from ivm.lmm.messages import Message, counted, estimated_tokens
from ivm.lmm.questions import Question
from ivm.lmm.structure import Structure, Structured, asked_again
from ivm.lmm.transport import Transport

LimitField = Literal["max_tokens", "max_completion_tokens"]


class LmmClient:
    """Asks one model on one server; an async context manager, for one event loop.

    The API key is read from the environment and goes into the requests' header alone: it is in no cache, log, error,
    report or `repr`.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        cache: str | Path | None = None,
        concurrency: int = 8,
        budget: Budget | None = None,
        prices: Prices | None = None,
        retries: int = 6,
        reasks: int = 2,
        timeout_s: float = 60.0,
        first_wait_s: float = 1.0,
        structured: Structured = "json_schema",
        limit_field: LimitField = "max_tokens",
    ) -> None:
        """Make ready; nothing is sent yet.

        Args:
            base_url: of the server, mostly ending in "/v1".
            model: as the server calls it.
            api_key_env: the environment variable that holds the API key; a server on one's own machine mostly needs
                none, and the variable may lack.
            cache: file that keeps answers, made if need be; several processes may share it. None keeps none.
            concurrency: requests on their way at once.
            budget: most that may be spent; None for no limit.
            prices: for the cost in the report, and for a budget of costs.
            retries: how often a request is sent again after a failure that may pass.
            reasks: how often a model is told that its answer is not of the schema, and asked again.
            timeout_s: longest wait for an answer.
            first_wait_s: bound of the wait before the first retry; each further one is twice as long.
            structured: how the server is asked for JSON of a schema, see `ivm.lmm.structure`.
            limit_field: the server's name for the longest answer.

        Raises:
            OptionError: an option has a value outside its range.
            OutputError: the cache cannot be opened.
            MissingExtraError: the package openai is not installed.
        """
        for name, value, least in (
            ("concurrency", concurrency, 1), ("retries", retries, 0), ("reasks", reasks, 0)
        ):  # fmt: skip
            if type(value) is not int or value < least:
                raise OptionError(f"{name} must be a whole number of {least} or more, not {value!r}")
        for name, chosen, known in (("structured", structured, Structured), ("limit_field", limit_field, LimitField)):
            if chosen not in get_args(known):
                raise OptionError(f"{name} must be one of {', '.join(get_args(known))}, not {chosen!r}")
        if budget is not None and budget.lifelong and cache is None:
            raise OptionError("A lifelong budget needs a cache, which counts what was paid: give cache=...")
        self.model = model
        self._reasks, self._structured, self._limit = reasks, structured, limit_field
        self._transport = Transport(
            base_url,
            model,
            api_key_env=api_key_env,
            concurrency=concurrency,
            retries=retries,
            timeout_s=timeout_s,
            first_wait_s=first_wait_s,
        )
        self._cache = None if cache is None else AnswerCache(cache)
        before = self._cache.paid() if self._cache is not None and budget is not None and budget.lifelong else None
        self._ledger = Ledger(budget, prices, before or TokenUsage())
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._count: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"LmmClient({self._transport.base_url!r}, {self.model!r})"

    async def __aenter__(self) -> LmmClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, question: Question) -> Answer:
        """Ask one question.

        Raises:
            OptionError: its schema is none.
            BudgetError: the answer could cost more than is left.
            LmmServerError: the server cannot be reached, or answered with errors until all retries were used up.
            LmmRefusedError: the server refuses the request for good.
            LmmAnswerError: the answer is not of the schema, even when asked again, or was cut short.
            OutputError: the cache cannot be used.
        """
        structure = None if question.schema is None else Structure(question.schema, self._structured)
        key = key_of(self._content(question))
        if self._cache is not None and (told := self._cache.get(key)) is not None:
            self._count["cached"] += 1
            return Answer.from_cache(told)
        if (running := self._running.get(key)) is not None:
            answer = await asyncio.shield(running)
            self._count["cached"] += 1
            return replace(answer, cached=True)
        # A task of its own: whoever waits may be cancelled, an answer that is paid for is kept all the same.
        running = self._running[key] = asyncio.create_task(self._find(key, question, structure))
        running.add_done_callback(lambda task: self._settle(key, task))
        return await asyncio.shield(running)

    async def ask_each(
        self, questions: Sequence[Question], progress: Callable[[int, int], None] | None = None
    ) -> list[Answer | LmmError]:
        """Ask many questions side by side; one that fails leaves its error in its place.

        Args:
            questions: in any number.
            progress: told how many of how many are done, after each.

        Raises:
            OptionError: a question's schema is none.
            OutputError: the cache cannot be used.
        """
        done = 0

        async def one(question: Question) -> Answer | LmmError:
            nonlocal done
            try:
                return await self.ask(question)
            except LmmError as error:
                return error
            finally:
                done += 1
                if progress is not None:
                    progress(done, len(questions))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(question)) for question in questions]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return [task.result() for task in tasks]

    def report(self) -> Usage:
        """What this client did so far."""
        spent = self._ledger.spent
        return Usage(
            calls=self._count["calls"],
            cached=self._count["cached"],
            retries=self._transport.retried,
            reasked=self._count["reasked"],
            failed=self._count["failed"],
            prompt_tokens=spent.prompt,
            completion_tokens=spent.completion,
            cost=self._ledger.cost,
        )

    async def close(self) -> None:
        """Break off what is on its way and give connections and cache back."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._transport.close()
        if self._cache is not None:
            self._cache.close()

    def _content(self, question: Question) -> dict[str, Any]:
        """All that decides the answer."""
        return {
            "model": self.model,
            "messages": question.messages,
            "schema": question.schema,
            "structured": self._structured if question.schema is not None else None,
            **question.options("max_tokens"),
        }

    async def _find(self, key: str, question: Question, structure: Structure | None) -> Answer:
        messages = question.messages if structure is None else structure.told(question.messages)
        asked, usage = messages, TokenUsage()
        for reasked in range(self._reasks + 1):
            completion, paid, latency_s = await self._send(question, asked, structure)
            usage += paid
            try:
                parsed = None if structure is None or completion.refusal else structure.read(completion.text)
            except LmmAnswerError as error:
                if completion.finish_reason == "length":
                    raise LmmAnswerError(
                        f"{self!r} was cut short after {question.max_tokens} tokens: raise max_tokens"
                    ) from None
                self._count["reasked"] += 1
                asked, wrong = asked_again(messages, completion.text, error), error
                continue
            answer = Answer(
                text=completion.text,
                parsed=parsed,
                usage=usage,
                cached=False,
                latency_s=latency_s,
                finish_reason=completion.finish_reason,
                refusal=completion.refusal,
                logprobs=completion.logprobs,
                reasked=reasked,
            )
            if self._cache is not None:
                self._cache.put(key, answer.to_json())
            return answer
        raise LmmAnswerError(f"{self!r} was asked {self._reasks + 1} times, and still {wrong}")

    async def _send(
        self, question: Question, messages: list[Message], structure: Structure | None
    ) -> tuple[Completion, TokenUsage, float]:
        """Send one request within the budget, note what it took, and how long the good answer was on its way."""
        body = {
            "model": self.model,
            "messages": messages,
            **question.options(self._limit),
            **({} if structure is None else structure.options()),
        }
        estimated = estimated_tokens(messages) if self._ledger.limited else 0
        async with self._transport.slot(), self._ledger.reserved(estimated, question.max_tokens):
            completion, latency_s = await self._transport.send(body)
            usage = completion.usage or counted(messages, completion.text)
            self._ledger.pay(usage, estimated=estimated)
        self._count["calls"] += 1
        if self._cache is not None:
            self._cache.pay(usage)
        return completion, usage, latency_s

    def _settle(self, key: str, task: asyncio.Task[Answer]) -> None:
        del self._running[key]
        if not task.cancelled() and task.exception() is not None:
            self._count["failed"] += 1
