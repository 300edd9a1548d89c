"""What a user of a model gets through all that servers do, from a real server on this machine."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import traceback

import numpy as np
import pytest

from fake_lmm import MODEL, Asked, Body, Drop, FakeLmm, Hang, Mishaps, Reply, Status, running
from ivm.core.errors import BudgetError, LmmAnswerError, LmmError, LmmRefusedError, LmmServerError, OptionError
from ivm.lmm.blocking import BlockingLmm
from ivm.lmm.budget import Budget, Prices
from ivm.lmm.client import LmmClient
from ivm.lmm.messages import picture, system, user
from ivm.lmm.questions import Question

KEY = "sk-a-very-secret-key"
COLOR = {
    "type": "object",
    "properties": {"color": {"enum": ["red", "blue"]}},
    "required": ["color"],
    "additionalProperties": False,
}
RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)
BLUE = np.full((8, 8, 3), (0, 0, 255), np.uint8)


def color_of(asked: Asked) -> str:
    """Answer with the colour of the picture, as the schema has it."""
    return '{"color": "%s"}' % ("red" if asked.images[0][0, 0, 0] > 128 else "blue")


def echo(asked: Asked) -> str:
    return f"You said {asked.last}"


def client(lmm: FakeLmm, **options) -> LmmClient:
    return LmmClient(lmm.base_url, MODEL, **{"first_wait_s": 0.001, **options})


def says(text: str, **options) -> Question:
    return Question(messages=[user(text)], **options)


def ask(lmm: FakeLmm, *messages, options=None, **question):
    """One answer and the report, by a client of its own."""

    async def one():
        async with client(lmm, **(options or {})) as asker:
            return await asker.ask(Question(messages=list(messages), **question)), asker.report()

    return asyncio.run(one())


def test_an_answer_about_a_picture_is_parsed():
    with running(FakeLmm(color_of)) as lmm:
        answer, report = ask(lmm, system("Look."), user("Which colour?", picture(RED, kind="png")), schema=COLOR)
        assert answer.parsed == {"color": "red"}
        assert (answer.finish_reason, answer.refusal, answer.cached, answer.reasked) == ("stop", None, False, 0)
        assert (report.calls, report.prompt_tokens, report.failed) == (1, 1 + 2 + 100, 0)
        assert lmm.asked[0].schema == COLOR
        assert (lmm.asked[0].images[0] == RED).all()


@pytest.mark.parametrize(
    "mishap",
    [Status(429, 0), Status(500), Status(503, "Wed, 21 Oct 2015 07:28:00 GMT"), Drop(0), Drop(30), Body(b"<html>"),
     Body(b'{"choices": []}'), Body(b'{"error": "busy"}'), Reply(None)],
)  # fmt: skip
def test_a_failure_that_passes_is_tried_again(mishap):
    with running(FakeLmm(Mishaps(echo, {0: mishap, 1: mishap}))) as lmm:
        answer, report = ask(lmm, user("hello"))
    assert answer.text == "You said hello"
    assert (report.calls, report.retries, report.failed) == (1, 2, 0)


def test_a_server_that_does_not_answer_is_given_up_and_asked_again():
    with running(FakeLmm(Mishaps(echo, {0: Hang()}))) as lmm:
        answer, report = ask(lmm, user("hello"), options={"timeout_s": 0.5, "retries": 20})
    assert answer.text == "You said hello"
    assert report.retries >= 1


def test_retries_end():
    with running(FakeLmm(lambda asked: Status(500, message="out of memory"))) as lmm:
        with pytest.raises(LmmServerError, match=r"gave no answer after 3 tries \(status 500, out of memory\)"):
            ask(lmm, user("hello"), options={"retries": 2})
        assert len(lmm.asked) == 3


@pytest.mark.parametrize(
    ("refusal", "told"),
    [(Status(400, message="unknown response_format"), "structured='json_object' or 'text'"),
     (Status(404, message="no such model"), "mostly ends in /v1, and the model's name"),
     (Status(429, message="You have no credit", kind="insufficient_quota"), "You have no credit"),
     (Status(429, 86_400), "asks to wait 86400 s")],
)  # fmt: skip
def test_what_no_retry_mends_is_told_at_once(refusal, told):
    with running(FakeLmm(lambda asked: refusal)) as lmm:
        with pytest.raises(LmmRefusedError, match=told):
            ask(lmm, user("hello"))
        assert len(lmm.asked) == 1


def test_a_server_that_is_not_there_is_named():
    with running(FakeLmm(echo)) as lmm:
        gone = lmm.base_url

    async def one():
        async with LmmClient(gone, MODEL, retries=1, first_wait_s=0.001) as asker:
            await asker.ask(says("hello"))

    with pytest.raises(LmmServerError, match=f"{gone} gave no answer after 2 tries"):
        asyncio.run(one())


@pytest.mark.parametrize("wrong", ["red", '{"color": "green"}', '{"color": "red"', '{"colour": "red"}', "[" * 100_000])
def test_an_answer_of_the_wrong_form_is_asked_for_again(wrong):
    with running(FakeLmm(Mishaps(color_of, {0: wrong}))) as lmm:
        answer, report = ask(lmm, user("?", picture(BLUE)), schema=COLOR)
        assert (answer.parsed, answer.reasked, report.reasked) == ({"color": "blue"}, 1, 1)
        told = lmm.asked[1].messages
        assert told[1] == {"role": "assistant", "content": wrong}
        assert "cannot be used" in told[2]["content"]


def test_a_model_that_never_gives_the_form_is_an_error_after_so_many_questions():
    with running(FakeLmm(lambda asked: "I would rather chat")) as lmm:
        with pytest.raises(LmmAnswerError, match="asked 3 times, and still the answer is not JSON"):
            ask(lmm, user("?"), schema=COLOR)
        assert len(lmm.asked) == 3


def test_an_answer_that_was_cut_short_says_so():
    with (
        running(FakeLmm(lambda asked: Reply('{"color"', finish_reason="length"))) as lmm,
        pytest.raises(LmmAnswerError, match="after 7 tokens: raise max_tokens"),
    ):
        ask(lmm, user("?"), schema=COLOR, max_tokens=7)


def test_a_refusal_is_an_answer():
    with running(FakeLmm(lambda asked: Reply(None, refusal="I will not"))) as lmm:
        answer, _ = ask(lmm, user("?"), schema=COLOR)
    assert (answer.text, answer.parsed, answer.refusal) == ("", None, "I will not")


@pytest.mark.parametrize(
    ("way", "kind"), [("json_schema", "json_schema"), ("json_object", "json_object"), ("text", None)]
)
def test_json_is_asked_for_in_the_chosen_way_only(way, kind):
    with running(FakeLmm(lambda asked: '```json\n{"color": "red"}\n```')) as lmm:
        answer, _ = ask(lmm, user("?"), schema=COLOR, options={"structured": way})
        assert answer.parsed == {"color": "red"}
        assert lmm.asked[0].body.get("response_format", {}).get("type") == kind
        assert ("JSON schema" in lmm.asked[0].text) == (way != "json_schema")


def test_log_probabilities_come_with_the_answer():
    tokens = (("A", -0.1, {"A": -0.1, "B": -2.5}),)
    with running(FakeLmm(lambda asked: Reply("A", tokens=tokens))) as lmm:
        answer, _ = ask(lmm, user("A or B?"), logprobs=2)
        assert lmm.asked[0].body["top_logprobs"] == 2
        without, _ = ask(lmm, user("A or B?"))
    assert answer.logprobs is not None
    assert answer.logprobs[0].top == {"A": -0.1, "B": -2.5}
    assert without.logprobs is None


def test_options_reach_the_server():
    with running(FakeLmm(echo)) as lmm:
        ask(lmm, user("a"), seed=3, max_tokens=9, temperature=0.7)
        ask(lmm, user("a"), temperature=None, options={"limit_field": "max_completion_tokens"})
        first, second = lmm.asked[0].body, lmm.asked[1].body
    assert (first["seed"], first["max_tokens"], first["temperature"], first["model"]) == (3, 9, 0.7, MODEL)
    assert "temperature" not in second
    assert second["max_completion_tokens"] == 512


def test_no_more_requests_at_once_than_allowed_and_equal_ones_only_once():
    gate = threading.Barrier(3, timeout=60)

    def together(asked: Asked) -> str:
        gate.wait()  # goes on only when three requests are here at the same time
        return echo(asked)

    async def many(lmm):
        async with client(lmm, concurrency=3) as asker:
            answers = await asyncio.gather(*(asker.ask(says(str(number % 6))) for number in range(12)))
            return answers, asker.report()

    with running(FakeLmm(together)) as lmm:
        answers, report = asyncio.run(many(lmm))
        assert lmm.most_at_once == 3
        assert len(lmm.asked) == 6
    assert [answer.text for answer in answers] == [f"You said {number % 6}" for number in range(12)]
    assert (report.calls, report.cached) == (6, 6)


def test_an_answer_is_paid_once_and_kept(tmp_path):
    cache = tmp_path / "deep" / "answers.sqlite"
    with running(FakeLmm(color_of)) as lmm:
        first, _ = ask(lmm, user("?", picture(RED)), schema=COLOR, options={"cache": cache})
        again, report = ask(lmm, user("?", picture(RED)), schema=COLOR, options={"cache": cache})
        assert len(lmm.asked) == 1
        other, _ = ask(lmm, user("?", picture(BLUE)), schema=COLOR, options={"cache": cache})
        ask(lmm, user("?", picture(RED)), schema=COLOR, seed=1, options={"cache": cache})
        assert len(lmm.asked) == 3
    assert (again.parsed, again.cached, again.usage) == (first.parsed, True, first.usage)
    assert (report.calls, report.cached, report.prompt_tokens) == (0, 1, 0)
    assert other.parsed == {"color": "blue"}


def test_whoever_stops_waiting_loses_no_answer(tmp_path):
    cache, asked, go = tmp_path / "a.sqlite", threading.Event(), threading.Event()

    def slow(_: Asked) -> str:
        asked.set()
        assert go.wait(60)
        return "done"

    async def impatient(lmm):
        async with client(lmm, cache=cache) as asker:
            waiting = asyncio.create_task(asker.ask(says("a")))
            await asyncio.to_thread(asked.wait, 60)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            go.set()
            return await asker.ask(says("a")), len(lmm.asked)

    with running(FakeLmm(slow)) as lmm:
        answer, requests = asyncio.run(impatient(lmm))
    assert (answer.text, requests) == ("done", 1)


def test_a_budget_ends_before_it_is_overspent_and_nothing_is_lost(tmp_path):
    cache, budget = tmp_path / "a.sqlite", Budget(tokens=260, lifelong=True)
    questions = [says(f"word {number}", max_tokens=20) for number in range(30)]

    def answers(lmm, budget):
        with BlockingLmm(client(lmm, cache=cache, budget=budget, concurrency=4)) as asker:
            return asker.ask_each(questions), asker.report()

    with running(FakeLmm(lambda asked: Reply("x " * 20, usage=(10, 20)))) as lmm:
        first, spent = answers(lmm, budget)
        good = [answer for answer in first if not isinstance(answer, LmmError)]
        assert 3 <= len(good) <= 8
        assert spent.prompt_tokens + spent.completion_tokens <= 260
        assert all(isinstance(error, BudgetError) for error in first if isinstance(error, LmmError))
        assert "of the budget of 260 tokens" in str(first[-1])
        _, more = answers(lmm, budget)
        assert more.cached == len(good)
        assert spent.prompt_tokens + spent.completion_tokens + more.prompt_tokens + more.completion_tokens <= 260
        last, _ = answers(lmm, Budget(tokens=2000, lifelong=True))
        assert not any(isinstance(answer, LmmError) for answer in last)
        assert len(lmm.asked) == 30


def test_a_budget_of_costs_counts_prices():
    prices = Prices(prompt=1_000_000, completion=2_000_000)

    async def two(lmm):
        async with client(lmm, budget=Budget(cost=55), prices=prices) as asker:
            await asker.ask(says("one", max_tokens=5))
            with pytest.raises(BudgetError, match=r"a cost of 55 .*\(23\.0000\) are spent"):
                await asker.ask(says("a longer question " * 3, max_tokens=5))
            return asker.report()

    with running(FakeLmm(lambda asked: Reply("a", usage=(13, 5)))) as lmm:
        report = asyncio.run(two(lmm))
        assert len(lmm.asked) == 1
    assert report.cost == 13 + 2 * 5
    with pytest.raises(OptionError, match="needs prices"):
        LmmClient("http://localhost/v1", MODEL, budget=Budget(cost=1))


def test_a_server_that_does_not_count_is_counted_here():
    with running(FakeLmm(lambda asked: Reply("four letters", counted=False))) as lmm:
        answer, _ = ask(lmm, user("a question of some length"))
    assert answer.usage.completion == 4
    assert answer.usage.prompt > 8


def test_the_key_is_nowhere_but_in_the_request(tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("SOME_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "a.sqlite"
    told = []

    async def talk(lmm):
        async with client(lmm, api_key_env="SOME_KEY", cache=cache) as asker:
            answer = await asker.ask(says("hello"))
            lmm.key = "another"
            with pytest.raises(LmmRefusedError, match=r"provided: \$SOME_KEY") as caught:
                await asker.ask(says("hello again"))
            lmm.key, lmm.script = None, lambda asked: Status(500, message=f"crashed on {KEY}")
            with pytest.raises(LmmServerError) as failed:
                await asker.ask(says("hello again"))
            for error in (caught.value, failed.value):
                told.append("".join(traceback.format_exception(error)) + repr(error) + str(pickle.dumps(error)))
                assert error.__context__ is None
            told.extend([repr(asker), str(vars(asker)), repr(answer), str(asker.report())])

    with running(FakeLmm(echo, key=KEY)) as lmm:
        asyncio.run(talk(lmm))
        assert lmm.asked[0].headers["authorization"] == f"Bearer {KEY}"
    told.extend([caplog.text, *capfd.readouterr()])
    told.extend(file.read_bytes().decode("latin-1") for file in tmp_path.iterdir())
    assert not any(KEY in text for text in told)
    assert KEY[5:] not in caplog.text


@pytest.mark.parametrize(
    ("options", "told"),
    [({"base_url": "localhost:8000"}, "like http://localhost:8000/v1"),
     ({"base_url": "http://me:pass@host/v1"}, "holds a password"),
     ({"base_url": "http://host/v1?key=pass"}, "holds a password or a query"),
     ({"concurrency": 0}, "concurrency must be a whole number of 1"),
     ({"retries": -1}, "retries must be"),
     ({"timeout_s": 0}, "timeout_s must be"),
     ({"structured": "yaml"}, "one of json_schema, json_object, text"),
     ({"budget": Budget(tokens=1, lifelong=True)}, "needs a cache")],
)  # fmt: skip
def test_wrong_options_are_named(options, told):
    with pytest.raises(OptionError, match=told) as caught:
        LmmClient(**{"base_url": "http://localhost/v1", "model": MODEL, **options})
    assert "pass@" not in str(caught.value)
    assert "key=pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("question", "told"),
    [({"messages": []}, "needs messages"),
     ({"messages": "hello"}, "needs messages"),
     ({"messages": [{"role": "user", "content": RED}]}, "JSON's types only"),
     ({"messages": [user("a")], "max_tokens": 0}, "max_tokens"),
     ({"messages": [user("a")], "logprobs": 21}, "logprobs"),
     ({"messages": [user("a")], "temperature": 3}, "temperature")],
)  # fmt: skip
def test_wrong_questions_are_named(question, told):
    with pytest.raises(OptionError, match=told):
        Question(**question)


def test_a_wrong_schema_is_named():
    with running(FakeLmm(echo)) as lmm:
        with pytest.raises(OptionError, match="no JSON schema"):
            ask(lmm, user("a"), schema={"type": "colour"})
        with BlockingLmm(client(lmm)) as asker, pytest.raises(OptionError, match="no JSON schema"):
            asker.ask_each([says("a", schema={"type": "colour"})])


def test_scripts_ask_without_an_event_loop():
    done = []
    with running(FakeLmm(lambda asked: "bad" if asked.last == "1" else '{"color": "red"}')) as lmm:
        with BlockingLmm(client(lmm, reasks=0)) as asker:
            questions = [says(str(number), schema=COLOR) for number in range(3)]
            answers = asker.ask_each(questions, progress=lambda *so_far: done.append(so_far))
            assert asker.ask(questions[0]).parsed == {"color": "red"}
        asker.close()
    assert [isinstance(answer, LmmAnswerError) for answer in answers] == [False, True, False]
    assert done == [(1, 3), (2, 3), (3, 3)]
