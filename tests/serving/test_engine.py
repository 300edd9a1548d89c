"""Many callers, one model: answers, batches, places, time limits and the end."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from fake_models import FailsOn, RedModel, red_at
from ivm.core.errors import (
    DeadlineError,
    EngineBusyError,
    ImageEmptyError,
    ImageFormatError,
    ImageTooLargeError,
    InstructionError,
    ModelError,
    OptionError,
    ThresholdError,
)
from ivm.inference.masker import Masker
from ivm.masking.saving import encoded
from ivm.serving.batching import Batcher, Encoded, Job
from ivm.serving.engine import Engine
from ivm.serving.settings import EngineSettings


class Gated(RedModel):
    """Answers only when the gate is open, and tells when it stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.stands = False

    def predict(self, features, instructions):
        self.stands = not self.gate.is_set()
        assert self.gate.wait(60), "no test leaves the gate closed"
        return super().predict(features, instructions)


def run(model, action, **settings):
    """Run an action with a started engine around a model."""

    async def main():
        async with Engine(Masker(model), EngineSettings(**settings)) as engine:
            return await action(engine)

    return asyncio.run(asyncio.wait_for(main(), 60))


async def until(condition):
    """Wait for something that happens in another thread."""
    while not condition():
        await asyncio.sleep(0.001)


def test_masks_are_those_of_the_masker():
    image = red_at(3)

    async def ask(engine):
        return await engine.mask(image, ["a", "nothing"], threshold=0.4, dilate_kernel_size=1)

    first, second = run(RedModel(), ask)
    alone = Masker(RedModel()).open(image).many(["a", "nothing"], 0.4, dilate_kernel_size=1)
    assert [first, second] == alone
    assert second.kept_whole


def test_what_waits_together_is_answered_together():
    model = Gated()

    async def ask(engine):
        model.asked.clear()
        model.gate.clear()
        first = asyncio.create_task(engine.ask(red_at(0), ["first"]))
        await until(lambda: model.stands)
        rest = [asyncio.create_task(engine.ask(red_at(n), [f"r{n}"])) for n in range(1, 6)]
        await until(lambda: engine.waiting == 5)
        model.gate.set()
        answers = await asyncio.gather(first, *rest)
        return [int(answer.logits.argmax(axis=1)[0]) for (answer,) in answers]

    assert run(model, ask, max_batch=4) == [0, 1, 2, 3, 4, 5]
    first, *together = model.asked[:3]
    assert first == ["first"]
    assert [len(batch) for batch in together] == [4, 1]  # who comes last is the threads' affair
    assert sorted(text for batch in together for text in batch) == ["r1", "r2", "r3", "r4", "r5"]


def test_a_picture_of_several_requests_is_encoded_once():
    model, image = RedModel(), red_at(1)
    image.setflags(write=False)
    batcher = Batcher(model)
    jobs = [Job(picture=image, instructions=[text]) for text in "abc"]
    for job in jobs:
        batcher.submit(job)
    batcher.start()
    assert all(job.future.result(timeout=60).encoded.image is image for job in jobs)
    batcher.stop()
    assert model.encoded == [1]


def test_an_encoded_picture_is_not_encoded_again():
    model = RedModel()

    async def ask(engine):
        encoded_once = await engine.encode(red_at(2))
        before = list(model.encoded)
        await engine.ask(encoded_once, ["a", "b"])
        await engine.ask(encoded_once, ["c"])
        assert isinstance(encoded_once, Encoded)
        assert encoded_once.nbytes == 8 * 8 * 3 + 8 * 8 * 4
        return model.encoded == before

    assert run(model, ask)


def test_one_bad_request_of_a_batch_fails_alone():
    model = FailsOn()
    batcher = Batcher(model)
    good, bad = (Job(picture=red_at(1), instructions=[text]) for text in ("good", "poison"))
    batcher.submit(good)
    batcher.submit(bad)
    batcher.start()
    assert len(good.future.result(timeout=60).answers) == 1
    with pytest.raises(ModelError, match="poisoned"):
        bad.future.result(timeout=60)
    batcher.stop()


def test_the_thread_survives_what_a_model_should_not_do():
    class Broken(RedModel):
        def predict(self, features, instructions):
            if "break" in instructions:
                raise ZeroDivisionError("a mistake of the program")
            return super().predict(features, instructions)

    async def ask(engine):
        with pytest.raises(ZeroDivisionError):
            await engine.ask(red_at(1), ["break"])
        return await engine.ask(red_at(1), ["go on"])

    assert len(run(Broken(), ask)) == 1


def test_a_full_engine_refuses_at_once_and_says_when_to_come_back():
    async def ask(engine):
        async with engine.admit():
            with pytest.raises(EngineBusyError, match="ask again in 1 s") as caught:
                async with engine.admit():
                    raise AssertionError("there is no place")
        async with engine.admit():
            pass
        return caught.value.retry_after, engine.counts.refused, engine.counts.accepted, engine.counts.finished

    assert run(RedModel(), ask, max_requests=1) == (1, 1, 2, 2)


def test_too_slow_an_answer_ends_in_an_error_and_is_not_worked_on():
    model = Gated()

    async def ask(engine):
        model.gate.clear()
        blocked = asyncio.create_task(engine.ask(red_at(0), ["first"]))
        await until(lambda: model.stands)
        with pytest.raises(DeadlineError, match=r"0\.05 s"):
            async with engine.admit(timeout=0.05):
                await engine.ask(red_at(1), ["late"])
        model.gate.set()
        await blocked
        await engine.ask(red_at(1), ["next"])
        return engine.counts.timed_out

    assert run(model, ask) == 1
    assert "late" not in [text for batch in model.asked for text in batch]


def test_draining_waits_for_what_was_accepted_and_refuses_the_rest():
    model = Gated()

    async def ask(engine):
        async def request():
            async with engine.admit():
                return await engine.ask(red_at(0), ["accepted"])

        model.gate.clear()
        accepted = asyncio.create_task(request())
        await until(lambda: engine.in_flight == 1)
        drained = asyncio.create_task(engine.drain())
        await until(lambda: not engine.ready)
        with pytest.raises(EngineBusyError) as caught:
            engine.check_room()
        assert not drained.done()
        model.gate.set()
        await drained
        return caught.value.stopping, accepted.done() or len(await accepted)

    assert run(model, ask) == (True, True)


def test_memory_of_decoded_pictures_is_shared():
    async def ask(engine):
        async with engine.hold(80):
            with pytest.raises(EngineBusyError, match="memory"):
                async with engine.hold(30):
                    raise AssertionError("there is no room")
        async with engine.hold(1000):  # one alone always fits
            return True

    assert run(RedModel(), ask, max_memory=100)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", ImageEmptyError), (b"no picture", ImageFormatError), (b"x" * 5001, ImageTooLargeError)],
)
def test_bad_pictures_are_refused(data, error):
    async def ask(engine):
        with pytest.raises(error):
            await engine.load(data)
        return True

    assert run(RedModel(), ask, max_bytes=5000)


def test_a_picture_with_too_many_pixels_is_refused():
    file = encoded(np.zeros((20, 30, 3), np.uint8), ".png")

    async def ask(engine):
        with pytest.raises(ImageTooLargeError, match="30 x 20"):
            await engine.load(file)
        return True

    assert run(RedModel(), ask, max_pixels=599)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"instructions": [""]}, InstructionError),
        ({"threshold": 2}, ThresholdError),
        ({"blur_kernel_size": 2}, OptionError),
    ],
)
def test_mistakes_are_told_before_the_model_works(options, error):
    model = RedModel()

    async def ask(engine):
        model.asked.clear()
        with pytest.raises(error):
            await engine.mask(red_at(1), options.pop("instructions", ["a"]), **options)
        return model.asked

    assert run(model, ask) == []


@pytest.mark.parametrize("settings", [{"max_batch": 0}, {"timeout": -1}, {"max_requests": float("nan")}])
def test_impossible_settings(settings):
    with pytest.raises(OptionError, match=next(iter(settings))):
        EngineSettings(**settings)
