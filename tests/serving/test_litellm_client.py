"""LiteLLM's client through the proxy, and through the hook, to an upstream on this machine."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")

from fake_models import RedModel, red_at
from fake_upstream import chat, data_url, upstream
from ivm.inference.masker import Masker
from running_proxy import running_proxy

pytestmark = pytest.mark.skipif(importlib.util.find_spec("litellm") is None, reason="LiteLLM is not installed")

ASKS = Path(__file__).parents[1] / "litellm_asks.py"
TOOLS = [{"type": "function", "function": {"name": "point", "parameters": {"type": "object", "properties": {}}}}]
KEY = "sk-secret-of-the-client"
CASES = {
    **{f"{count} pictures": (count, {"temperature": 0.25}, "I see it.") for count in range(5)},
    **{f"{count} pictures, streamed": (count, {"stream": True}, "I see it.") for count in (0, 1, 4)},
    **{f"{count} pictures, with tools": (count, {"tools": TOOLS}, "point") for count in (0, 2)},
}


def images(count):
    return [red_at(10 * number, 64) for number in range(1, count + 1)]


def requests(base):
    return [
        chat("the red cup", *map(data_url, images(count)), **more)
        | {"model": "openai/seer", "api_base": base, "api_key": KEY}
        for count, more, _ in CASES.values()
    ]


@pytest.fixture(scope="module")
def through():
    """All cases, through the proxy and through the hook: what LiteLLM got, and what the upstream was asked."""
    with upstream() as behind, running_proxy(behind.url) as proxy:
        ways = json.dumps({"proxy": requests(proxy.url), "hook": requests(behind.url)})
        line = [sys.executable, str(ASKS)]
        done = subprocess.run(line, input=ways, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout.splitlines()[-1])
        seen = iter(behind.asked)
        return {way: {case: (answers[way][n], next(seen)) for n, case in enumerate(CASES)} for way in ("proxy", "hook")}


@pytest.mark.parametrize("way", ["proxy", "hook"])
@pytest.mark.parametrize("case", CASES)
def test_the_upstream_gets_the_request_with_its_pictures_masked(through, way, case):
    count, more, text = CASES[case]
    answer, got = through[way][case]
    assert answer == text
    assert got.header("Authorization") == f"Bearer {KEY}"
    received = got.pictures()
    assert len(received) == count
    for image, pixels in zip(images(count), received, strict=True):
        right = Masker(RedModel())(image, "the red cup").highlight_image
        assert (right != image).any()
        np.testing.assert_array_equal(pixels, right)
    request = json.loads(got.body)
    assert request["model"] == "seer"
    assert {name: request[name] for name in more} == more
