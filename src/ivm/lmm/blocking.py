"""A client for code without an event loop: scripts, threads, workers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from ivm.core.errors import LmmError
from ivm.lmm.answers import Answer, Usage
from ivm.lmm.client import LmmClient
from ivm.lmm.questions import Question

Result = TypeVar("Result")


class BlockingLmm:
    """Runs an `LmmClient` on an event loop in a thread of its own; any thread may ask. A context manager."""

    def __init__(self, client: LmmClient) -> None:
        """Take over a client that nobody else uses."""
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._gate, self._closed = threading.Lock(), False
        self._asked: set[Coroutine[Any, Any, Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lmm", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> Answer:
        """Ask one question; raises as `LmmClient.ask` does."""
        return self._run(self._client.ask(question))

    def ask_each(
        self, questions: Sequence[Question], progress: Callable[[int, int], None] | None = None
    ) -> list[Answer | LmmError]:
        """Ask many questions side by side, see `LmmClient.ask_each`; `progress` is called in another thread."""
        return self._run(self._client.ask_each(questions, progress))

    def report(self) -> Usage:
        """What the client did so far."""
        return self._client.report()

    def close(self) -> None:
        """Break off what is on its way, in whichever thread it is waited for, and give everything back."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        # The loop begins things in their order and the gate is closed: all that was asked is a task by now. Only these
        # are cancelled: the tasks inside an HTTP client are its own to end, and it does so when its asker is cancelled.
        asked = [task for task in asyncio.all_tasks() if task.get_coro() in self._asked]
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await self._client.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    def __enter__(self) -> BlockingLmm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, what: Coroutine[Any, Any, Result]) -> Result:
        with self._gate:
            if self._closed:
                what.close()
                raise LmmError("The client of the LMM was closed before the question: open another one")
            self._asked.add(what)
            future = asyncio.run_coroutine_threadsafe(what, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise LmmError("The client of the LMM was closed while a question was on its way") from None
        except BaseException:  # Ctrl-C among them
            future.cancel()
            raise
        finally:
            self._asked.discard(what)
