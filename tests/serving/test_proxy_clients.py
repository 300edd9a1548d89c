"""OpenAI's own client through the proxy to an upstream on this machine."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")
pytest.importorskip("openai", reason="its client is tried where it is installed")

import openai

from fake_models import RedModel, red_at
from fake_upstream import chat, data_url, events
from ivm.inference.masker import Masker

TOOLS = [{"type": "function", "function": {"name": "point", "parameters": {"type": "object", "properties": {}}}}]
KEY = "sk-secret-of-the-client"


@pytest.fixture
def client(proxy):
    with openai.OpenAI(base_url=proxy.url, api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


def images(count):
    return [red_at(10 * number, 64) for number in range(1, count + 1)]


def check(behind, count, **kept):
    """The upstream got the key, the same request as without a proxy, and the pictures masked pixel by pixel."""
    assert behind.last.header("Authorization") == f"Bearer {KEY}"
    received = behind.last.pictures()
    assert len(received) == count
    for image, got in zip(images(count), received, strict=True):
        right = Masker(RedModel())(image, "the red cup").highlight_image
        assert (right != image).any()
        np.testing.assert_array_equal(got, right)
    request = json.loads(behind.last.body)
    assert request["model"] == "seer"
    for name, value in kept.items():
        assert request[name] == value


def ask(count, **more):
    return chat("the red cup", *map(data_url, images(count)), **more)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_openai(client, behind, count):
    answer = client.chat.completions.with_raw_response.create(**ask(count, temperature=0.25))
    assert answer.parse().choices[0].message.content == "I see it."
    assert answer.headers.get("X-IVM-Pictures") == (", ".join(["masked;found=0.90"] * count) or None)
    check(behind, count, temperature=0.25)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_openai_streaming(client, behind, count):
    pieces = [
        chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ask(count, stream=True))
    ]
    assert "".join(pieces) == "I see it."
    assert len(pieces) == len(events(chat(""))) - 1
    check(behind, count, stream=True)


@pytest.mark.parametrize("count", [0, 2])
def test_openai_with_tools(client, behind, count):
    answer = client.chat.completions.create(**ask(count, tools=TOOLS, tool_choice="auto"))
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"x": 1}'
    check(behind, count, tools=TOOLS, tool_choice="auto")


def test_openai_lists_models(client):
    assert [model.id for model in client.models.list()] == ["seer"]


def test_openai_sets_options_by_headers(client, behind):
    client.chat.completions.create(**ask(1), extra_headers={"X-IVM-Mode": "original+crop", "X-IVM-Style": "original"})
    whole, cut = behind.last.pictures()
    np.testing.assert_array_equal(whole, images(1)[0])
    x0, y0, x1, y1 = Masker(RedModel())(whole, "the red cup").bbox
    np.testing.assert_array_equal(cut, whole[y0:y1, x0:x1])


def test_openai_raises_its_own_errors_for_ours(client, behind):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**chat("the red cup", "http://127.0.0.1/a.png"))
    assert caught.value.code == "ImageAddressError"
    assert caught.value.param == "messages[0].content[1].image_url"
    assert "not on the public internet" in str(caught.value)
    assert behind.asked == []


def test_openai_raises_its_own_errors_for_the_upstreams(client, behind):
    body = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}'
    behind.replies["/v1/chat/completions"] = b"HTTP/1.1 429 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with pytest.raises(openai.RateLimitError, match="slow down"):
        client.chat.completions.create(**ask(1))


@pytest.mark.anyio
async def test_openai_asynchronous(proxy, behind):
    async with openai.AsyncOpenAI(base_url=proxy.url, api_key=KEY, max_retries=0, timeout=60) as client:
        stream = await client.chat.completions.create(**ask(2, stream=True))
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "I see it."
    check(behind, 2)
