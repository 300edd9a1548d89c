"""The parts of the client one by one: waits, bodies, pictures, forms, the cache, the budget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from datetime import UTC, datetime
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_lmm import pixels_of
from ivm.core.errors import BudgetError, ImageFormatError, LmmAnswerError, OptionError, OutputError
from ivm.lmm.answers import Answer, TokenLogprob, TokenUsage, Usage
from ivm.lmm.budget import Budget, Ledger, Prices
from ivm.lmm.cache import AnswerCache, key_of
from ivm.lmm.completion import read_completion
from ivm.lmm.messages import estimated_tokens, picture, picture_file, system, user
from ivm.lmm.retrying import LONGEST_WAIT_S, NoCompletionError, asked_wait, next_wait
from ivm.lmm.structure import Structure

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, None), ({"retry-after": "3"}, 3.0), ({"retry-after": "0.5"}, 0.5), ({"retry-after-ms": "250"}, 0.25),
     ({"retry-after": "Thu, 01 Jan 2026 12:00:20 GMT"}, 20.0), ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
     ({"retry-after": "-4"}, 0.0), ({"retry-after": "soon"}, None), ({"retry-after": "nan"}, None),
     ({"retry-after-ms": "x", "retry-after": "2"}, 2.0)],
)  # fmt: skip
def test_what_a_server_asks_to_wait(headers, seconds):
    assert asked_wait(headers, NOON) == seconds


@given(st.text(max_size=40))
def test_no_header_is_an_error(text):
    waited = asked_wait({"retry-after": text}, NOON)
    assert waited is None or waited >= 0


def test_waits_grow_are_drawn_and_never_below_what_was_asked():
    rng = random.Random(0)
    for attempt, bound in ((0, 1), (1, 2), (3, 8), (50, LONGEST_WAIT_S)):
        waits = [next_wait(attempt, 1.0, None, rng) for _ in range(200)]
        assert bound * 0.9 < max(waits) <= bound
        assert min(waits) < bound * 0.1
    assert all(next_wait(0, 1.0, 7.0, rng) >= 7 for _ in range(20))


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["choices", "message", "content", "refusal", "usage", "logprobs"]), inner)
), max_leaves=12).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_is_a_completion_or_told_to_be_none(body):
    with contextlib.suppress(NoCompletionError):
        read_completion(body)


def test_a_picture_goes_to_and_fro():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    part = picture(image, kind="png", detail="low")
    assert (pixels_of(part["image_url"]["url"]) == image).all()
    assert part["image_url"]["detail"] == "low"
    large = np.zeros((100, 200, 3), np.uint8)
    assert pixels_of(picture(large, longest=50)["image_url"]["url"]).shape == (25, 50, 3)
    assert picture_file(b"\xff\xd8\xff123")["image_url"]["url"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_named(image):
    with pytest.raises(ImageFormatError, match=r"must be \(H, W, 3\) uint8 RGB"):
        picture(image)
    with pytest.raises(ImageFormatError, match="JPEG, PNG, GIF or WebP"):
        picture_file(b"BM123")
    with pytest.raises(OptionError, match="quality 1 to 100"):
        picture(np.zeros((4, 4, 3), np.uint8), quality=0)


def test_tokens_are_rather_too_many():
    assert estimated_tokens([user("word " * 100)]) > 100
    seen = estimated_tokens([user(picture(np.zeros((480, 640, 3), np.uint8)))])
    assert 300 < seen < 600
    assert estimated_tokens([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b"}}]}])
    assert user("plain")["content"] == "plain"
    assert system("a")["role"] == "system"


def test_a_key_is_of_the_content_alone():
    first, other = {"a": 1, "b": [user(picture(np.zeros((2, 2, 3), np.uint8)))]}, {"b": 1}
    assert key_of(first) == key_of(dict(reversed(first.items())))
    assert key_of(first) != key_of(other)
    assert key_of({**first, "b": [user(picture(np.ones((2, 2, 3), np.uint8)))]}) != key_of(first)


def put_many(path: str, worker: int) -> None:
    with AnswerCache(path) as cache:
        for number in range(40):
            cache.put(f"{worker}-{number}", {"n": number})
            cache.put("shared", {"n": 0})
            cache.pay(TokenUsage(prompt=1, completion=2))


def test_several_processes_share_a_cache(tmp_path):
    path = tmp_path / "answers.sqlite"
    context = get_context("spawn")
    children = [context.Process(target=put_many, args=(str(path), worker)) for worker in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0, 0]
    with AnswerCache(path) as cache:
        assert len(cache) == 3 * 40 + 1
        assert cache.get("2-39") == {"n": 39}
        assert cache.paid() == TokenUsage(prompt=120, completion=240)
        assert cache.get("none") is None


def test_a_file_that_is_no_cache_is_named_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes " * 200)
    with pytest.raises(OutputError, match="cannot be used"):
        AnswerCache(path)
    assert path.read_text().startswith("my notes")
    (tmp_path / "full").mkdir()
    with pytest.raises(OutputError, match="cannot be used"):
        AnswerCache(tmp_path / "full")


def test_answers_go_to_and_fro():
    answer = Answer(
        text="A",
        parsed={"a": 1},
        usage=TokenUsage(prompt=3, completion=1),
        cached=False,
        latency_s=0.5,
        finish_reason="stop",
        logprobs=(TokenLogprob(token="A", logprob=-0.1, top={"A": -0.1}),),
    )
    back = Answer.from_cache(json.loads(json.dumps(answer.to_json())))
    assert back.cached
    assert (back.usage, back.logprobs, back.parsed) == (answer.usage, answer.logprobs, answer.parsed)
    assert "cost 0.5000" in str(Usage(calls=1, cost=0.5))


@pytest.mark.parametrize("text", ["", "no", "{", '{"a": "x"}', "[1]", "```json\n{}\n```"])
def test_what_is_not_of_the_form_tells_why(text):
    with pytest.raises(LmmAnswerError, match="the answer is not"):
        Structure({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}, "text").read(text)


def test_a_question_waits_where_only_others_stand_against_it():
    async def both():
        ledger, order = Ledger(Budget(tokens=100), None, TokenUsage()), []

        async def ask(name: str) -> None:
            async with ledger.reserved(30, 40):
                order.append(f"{name} begins")
                await asyncio.sleep(0)
                ledger.pay(TokenUsage(prompt=10, completion=5), estimated=30)
                order.append(f"{name} ends")

        await asyncio.gather(ask("first"), ask("second"))
        return order, ledger.spent

    order, spent = asyncio.run(both())
    assert order == ["first begins", "first ends", "second begins", "second ends"]
    assert spent.total == 30


def test_estimates_learn_from_the_server():
    async def one():
        ledger = Ledger(Budget(tokens=100), None, TokenUsage())
        async with ledger.reserved(10, 10):
            ledger.pay(TokenUsage(prompt=40, completion=10), estimated=10)
        async with ledger.reserved(10, 10):  # is taken for 40 and 10: just fits
            ledger.pay(TokenUsage(prompt=1, completion=0), estimated=10)
        async with ledger.reserved(10, 10):
            pass

    with pytest.raises(BudgetError, match="could take 50 tokens"):
        asyncio.run(one())


@pytest.mark.parametrize("make", [lambda: Budget(tokens=-1), lambda: Budget(cost=float("nan")),
                                  lambda: Prices(prompt="1", completion=1)])  # fmt: skip
def test_impossible_amounts_are_named(make):
    with pytest.raises(OptionError, match="a number of 0 or more"):
        make()
