"""Asks with LiteLLM in a process of its own, because it keeps connections open.

On stdin are lists of requests, {"proxy": [...], "hook": [...]}; those of "hook" go through `IvmHook` first. On stdout
are lists of answers under the same names, in the order of asking.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the web

import litellm

from fake_models import RedModel
from ivm.inference.masker import Masker


def asked(request: dict[str, Any]) -> str:
    """The text of an answer, or the name of the tool that it calls."""
    answer = litellm.completion(**request, num_retries=0, timeout=120)
    if request.get("stream"):
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    message = answer.choices[0].message
    return message.content or message.tool_calls[0].function.name


async def hooked(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The requests with their pictures masked."""
    from ivm.serving.litellm_hook import IvmHook

    hook = IvmHook(Masker(RedModel()))
    changed = [await hook.async_pre_call_hook(None, None, request, "acompletion") for request in requests]
    await hook.aclose()
    return changed


if __name__ == "__main__":
    ways = json.load(sys.stdin)
    ways["hook"] = asyncio.run(hooked(ways["hook"]))
    print(json.dumps({way: [asked(request) for request in requests] for way, requests in ways.items()}))
