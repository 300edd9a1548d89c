"""Work over the parts of a data set, in processes side by side, each part once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from typing import Any, Protocol, TypeVar

from ivm.core.errors import DataError
from ivm.data.journal import Journal

Part = tuple[int, int]
"""First item and the one after the last."""

Result = TypeVar("Result")


class Progress(Protocol):
    """Is told how far a job is."""

    def __call__(self, done: int, total: int, /) -> object:
        """`done` of `total` parts are finished."""
        ...


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def parts_of(items: int, step: int) -> list[Part]:
    """Cut a number of items into parts of `step` items."""
    return [(start, min(start + step, items)) for start in range(0, items, step)]


def work_through(
    work: Callable[[int, Part], Any], parts: Sequence[Part], journal: Journal, *, workers: int, progress: Progress
) -> None:
    """Do the parts that the journal lacks, and write an entry for each as soon as it is done.

    Args:
        work: takes a part's number and the part, returns its entry; can be pickled where there are several workers.
        parts: all parts of the job.
        journal: of this job.
        workers: processes; 1 works in this one.
        progress: told after each part.

    Raises:
        DataError: a process was ended from outside.
    """
    todo = [number for number in range(len(parts)) if number not in journal.done]
    done = len(parts) - len(todo)
    progress(done, len(parts))
    with contextlib.closing(_results(work, parts, todo, workers)) as results:
        for number, entry in results:
            journal.write(number, entry)
            done += 1
            progress(done, len(parts))


def _results(
    work: Callable[[int, Part], Result], parts: Sequence[Part], todo: Sequence[int], workers: int
) -> Generator[tuple[int, Result], None, None]:
    if workers == 1 or len(todo) < 2:
        for number in todo:
            yield number, work(number, parts[number])
        return
    # "spawn" copies no thread or lock of this process; it is the only way that works everywhere.
    with ProcessPoolExecutor(
        min(workers, len(todo)), mp_context=get_context("spawn"), initializer=_start, initargs=(work,)
    ) as pool:
        try:
            running: dict[Future[Any], int] = {}
            waiting = iter(todo)
            while True:
                for number in waiting:
                    running[pool.submit(_do, number, parts[number])] = number
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise DataError(
                "A worker process was ended from outside, perhaps for lack of memory: run the same command again with "
                "fewer --workers, it goes on where it stopped"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_work: Callable[[int, Part], Any]


def _start(work: Callable[[int, Part], Any]) -> None:
    """Make a process ready: it leaves Ctrl-C to its parent, and ends when that is killed."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)  # processes are the parallelism


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "this runs in a worker"
    wait_for([parent.sentinel])
    os._exit(1)


def _do(number: int, part: Part) -> Any:
    return _work(number, part)
