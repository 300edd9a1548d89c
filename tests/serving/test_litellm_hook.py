"""The hook for LiteLLM: pictures are masked in LiteLLM itself, before it asks a model."""

from __future__ import annotations

import asyncio
import copy
import os
import warnings

import numpy as np
import pytest

from fake_models import RedModel, red_at
from fake_upstream import chat, data_url, decoded
from ivm.core.errors import OptionError
from ivm.inference.masker import Masker

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks the web
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("litellm", reason="LiteLLM is tried where it is installed")
    from ivm.serving.litellm_hook import IvmHook

pytestmark = pytest.mark.anyio
SCENE = red_at(20, 64)
MASKED = Masker(RedModel())(SCENE, "the red cup").highlight_image


@pytest.fixture
async def hooked():
    hook = IvmHook(Masker(RedModel()))
    yield hook
    await hook.aclose()


async def called(hook, data, kind="acompletion"):
    return await hook.async_pre_call_hook(None, None, data, kind)


async def test_pictures_are_masked_and_the_request_that_came_stays(hooked):
    data = chat("the red cup", data_url(SCENE), data_url(SCENE), temperature=0.5)
    came = copy.deepcopy(data)
    changed = await called(hooked, data)
    assert data == came
    assert changed["metadata"]["ivm_pictures"] == ["masked;found=0.90"] * 2
    assert changed["temperature"] == 0.5
    for part in changed["messages"][0]["content"][1:]:
        np.testing.assert_array_equal(decoded(part["image_url"]["url"]), MASKED)


async def test_it_is_a_hook_that_litellm_calls(hooked):
    from litellm.integrations.custom_logger import CustomLogger

    assert isinstance(hooked, CustomLogger)
    assert type(hooked).async_pre_call_hook is not CustomLogger.async_pre_call_hook


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (chat("hello"), "acompletion"),
        (chat("the red cup", data_url(SCENE)), "image_generation"),
        ({"input": "text"}, "aembedding"),
        (chat("the red cup", data_url(SCENE), proxy_server_request={"headers": {"x-ivm-mask": "off"}}), "completion"),
        ({"messages": [{"role": "user", "content": [{"image_url": 7}]}]}, "completion"),
    ],
)
async def test_everything_else_is_handed_back_as_it_is(hooked, data, kind):
    assert await called(hooked, data, kind) is data


async def test_headers_and_options_choose_the_mode():
    hook = IvmHook(Masker(RedModel()), mode="crop")
    data = chat("the red cup", data_url(SCENE), metadata={"team": "us"})
    assert (await called(hook, data))["metadata"]["team"] == "us"
    both = await called(hook, data | {"proxy_server_request": {"headers": {"X-IVM-Mode": "original+crop"}}})
    assert len(both["messages"][0]["content"]) == 3
    await hook.aclose()


async def test_a_picture_that_cannot_be_masked_is_an_error_for_the_client(hooked):
    from fastapi import HTTPException

    with pytest.raises(HTTPException) as caught:
        await called(hooked, chat("the red cup", "http://169.254.169.254/latest/meta-data/"))
    assert caught.value.status_code == 400
    assert "messages[0].content[1].image_url cannot be masked" in caught.value.detail


async def test_it_can_pass_instead():
    hook = IvmHook(Masker(RedModel()), on_error="pass")
    data = chat("the red cup", "file:///etc/passwd")
    changed = await called(hook, data)
    assert changed["messages"] == data["messages"]
    assert changed["metadata"]["ivm_pictures"] == ["passed;error=ImageAddressError"]
    await hook.aclose()


def test_options_are_checked_at_once():
    with pytest.raises(OptionError, match="mode"):
        IvmHook(mode="zoom")


def test_one_hook_serves_one_loop_after_the_other(toy_nano):
    hook = IvmHook(str(toy_nano))

    async def once():
        changed = await called(hook, chat("the red square", data_url(SCENE)))
        await hook.aclose()
        return changed["metadata"]["ivm_pictures"]

    assert asyncio.run(once()) == asyncio.run(once())
