"""Servers with the toy model: one for all tests that leave it as it is, and others with options of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from serving_tools import Server, serving

Start = Callable[..., Server]


@pytest.fixture
def anyio_backend() -> str:
    """On what tests that are coroutines run."""
    return "asyncio"


@pytest.fixture(scope="session")
def server(toy_nano: Path) -> Iterator[Server]:
    """`ivm serve --page`."""
    pytest.importorskip("fastapi", reason="the server needs the extra [serve]")
    with serving("--model", str(toy_nano), "--page") as running:
        yield running


@pytest.fixture
def start(toy_nano: Path) -> Iterator[Start]:
    """Start servers with other options; they end with the test."""
    pytest.importorskip("fastapi", reason="the server needs the extra [serve]")
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(
            serving("--model", str(toy_nano), *arguments, **options)
        )


@pytest.fixture(scope="module")
def behind():
    """The upstream behind the proxy."""
    from fake_upstream import upstream

    with upstream() as server:
        yield server


@pytest.fixture(scope="module")
def shared_proxy(behind):
    """A proxy for all tests of a file that leave it as it is."""
    from running_proxy import running_proxy

    with running_proxy(behind.url, max_pictures=4) as running:
        yield running


@pytest.fixture
def proxy(shared_proxy, behind):
    """That proxy, with nothing left of other tests."""
    behind.asked.clear()
    behind.replies.clear()
    return shared_proxy
