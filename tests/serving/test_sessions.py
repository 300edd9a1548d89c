"""Pictures that are kept: remembered answers, and how sessions end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from fake_models import RedModel, red_at
from ivm.core.errors import SessionGoneError
from ivm.inference.masker import Masker
from ivm.inference.seam import Answer
from ivm.serving.batching import Encoded
from ivm.serving.engine import Engine
from ivm.serving.sessions import SessionStore
from ivm.serving.settings import SessionSettings


class Clock:
    """Shows the time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def picture(size: int = 8) -> Encoded:
    return Encoded(red_at(1, size), np.zeros(4, np.float32))


def test_a_question_is_asked_once():
    model = RedModel()

    async def main():
        async with Engine(Masker(model)) as engine:
            session = SessionStore().open(await engine.encode(red_at(2)))
            model.asked.clear()
            first = await session.ask(engine, ["cup", " cup ", "pan"])
            again = await session.ask(engine, ["pan", "cup"])
            return first, again

    first, again = asyncio.run(main())
    assert model.asked == [["cup", "pan"]]
    assert first[0] is first[1] is again[1]
    assert first[2] is again[0]


def test_answers_that_were_not_asked_for_longest_are_forgotten():
    model = RedModel()

    async def main():
        async with Engine(Masker(model)) as engine:
            session = SessionStore().open(await engine.encode(red_at(2)))
            model.asked.clear()
            for text in ["a", "b", "a", "c", "a", "b"]:
                await session.ask(engine, [text], remember=2)
            before = session.nbytes
            await session.ask(engine, ["d", "e", "f"], remember=2)
            return session.nbytes == before

    assert asyncio.run(main())
    assert model.asked == [["a"], ["b"], ["c"], ["b"], ["d", "e", "f"]]


def test_an_answer_that_is_forgotten_meanwhile_is_given_all_the_same():
    class Slow:
        """Answers "slow" when it is let."""

        def __init__(self):
            self.go = asyncio.Event()

        async def ask(self, encoded, instructions):
            if "slow" in instructions:
                await self.go.wait()
            return [Answer(np.zeros((1, 1), np.float32), 0.5) for _ in instructions]

    async def main():
        engine, session = Slow(), SessionStore().open(picture())
        known = await session.ask(engine, ["known"], remember=2)
        waiting = asyncio.create_task(session.ask(engine, ["known", "slow"], remember=2))
        await asyncio.sleep(0)
        await session.ask(engine, ["a", "b"], remember=2)
        engine.go.set()
        return known[0], (await waiting)[0]

    first, again = asyncio.run(main())
    assert again is first


def test_a_session_ends_when_unused():
    clock = Clock()
    store = SessionStore(SessionSettings(seconds=10), clock)
    kept, left = store.open(picture()), store.open(picture())
    clock.now = 9
    assert store.get(kept.id) is kept
    clock.now = 18
    assert store.get(kept.id) is kept
    with pytest.raises(SessionGoneError, match="send the picture again"):
        store.get(left.id)
    assert (len(store), store.expired) == (1, 1)


def test_the_least_used_make_room():
    store = SessionStore(SessionSettings(max_sessions=2))
    first, second = store.open(picture()), store.open(picture())
    store.get(first.id)
    third = store.open(picture())
    assert store.get(first.id) is first
    assert store.get(third.id) is third
    with pytest.raises(SessionGoneError):
        store.get(second.id)
    assert store.evicted == 1


def test_memory_is_bounded_but_one_picture_always_fits():
    one = picture().nbytes
    store = SessionStore(SessionSettings(max_memory=2 * one))
    for _ in range(5):
        store.open(picture())
    assert (len(store), store.nbytes) == (2, 2 * one)
    large = store.open(picture(100))
    assert len(store) == 1
    assert store.get(large.id) is large


def test_features_of_any_form_count():
    @dataclass(slots=True)
    class Features:
        maps: tuple[np.ndarray, ...]
        name: str

    maps = np.zeros(4, np.float32), np.zeros(2, np.float32)
    for features in (list(maps), {"a": maps}, Features(maps, "two"), SimpleNamespace(maps=maps, size=(8, 8))):
        assert Encoded(red_at(1), features).nbytes == 8 * 8 * 3 + 4 * 6


def test_names_cannot_be_guessed():
    store = SessionStore()
    names = {store.open(picture()).id for _ in range(50)}
    assert len(names) == 50
    assert min(map(len, names)) >= 22


def test_closing():
    store = SessionStore()
    session = store.open(picture())
    store.close(session.id)
    with pytest.raises(SessionGoneError):
        store.close(session.id)
