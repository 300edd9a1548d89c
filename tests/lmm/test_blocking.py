"""The client for code without an event loop: closing it leaves nobody waiting."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from fake_lmm import FakeLmm, Hang, running
from ivm.core.errors import LmmError
from ivm.lmm.blocking import BlockingLmm
from ivm.lmm.client import LmmClient
from ivm.lmm.messages import user
from ivm.lmm.questions import Question


def question(text="which?"):
    return Question(messages=[user(text)])


def test_closing_frees_all_that_wait_for_an_answer():
    with running(FakeLmm(lambda asked: Hang())) as server, ThreadPoolExecutor(4) as pool:
        lmm = BlockingLmm(LmmClient(server.base_url, "fake", retries=0))
        waiting = [pool.submit(lmm.ask, question(f"number {number}")) for number in range(3)]
        waiting.append(pool.submit(lmm.ask_each, [question("a"), question("b")]))
        while len(server.asked) < 5:
            assert not any(one.done() for one in waiting)
        lmm.close()
        for one in waiting:
            with pytest.raises(LmmError, match="closed"):
                one.result(timeout=60)


def test_a_closed_client_says_so():
    with running(FakeLmm(lambda asked: "yes")) as server:
        with BlockingLmm(LmmClient(server.base_url, "fake")) as lmm:
            assert lmm.ask(question()).text == "yes"
        with pytest.raises(LmmError, match="open another one"):
            lmm.ask(question())
        lmm.close()


def test_closing_while_questions_are_being_begun_leaves_nobody_waiting():
    with running(FakeLmm(lambda asked: "yes")) as server, ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            lmm = BlockingLmm(LmmClient(server.base_url, "fake", retries=0))
            begun = [pool.submit(lmm.ask, question(f"number {number}")) for number in range(8)]
            lmm.close()
            for one in begun:
                error = one.exception(timeout=60)
                assert error is None or isinstance(error, LmmError)
    gc.collect()  # a coroutine that was thrown away before its first step warns here, and not in some later test
