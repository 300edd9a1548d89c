"""A hook for LiteLLM that masks pictures before a request goes to any of its models: the proxy's core without a proxy.

In LiteLLM's `config.yaml`:

    litellm_settings:
      callbacks: ivm.serving.litellm_hook.hook

Other options need a file of one's own beside it, `callbacks: my_hook.hook`:

    from ivm.serving.litellm_hook import IvmHook
    hook = IvmHook(mode="original+crop", style="original")
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from ivm.core.errors import IvmError
from ivm.core.extras import optional
from ivm.inference.masker import Masker
from ivm.inference.zoo import load
from ivm.serving.engine import Engine
from ivm.serving.fetching import FetchLimits, PictureFetcher
from ivm.serving.proxy_errors import openai_error
from ivm.serving.proxy_masking import MAX_PICTURES, PictureMasker
from ivm.serving.proxy_options import MaskOptions, with_headers
from ivm.serving.settings import EngineSettings

_CALLS = ("completion", "acompletion")
"""What LiteLLM calls a chat request."""

_CustomLogger: Any = optional("litellm.integrations.custom_logger").CustomLogger


class IvmHook(_CustomLogger):  # type: ignore[misc]
    """Masks the pictures of every chat request; see `MaskOptions` for what that means and which headers change it."""

    def __init__(
        self,
        model: Masker | str = "ivm-nano",
        *,
        fetch: FetchLimits | None = None,
        engine: EngineSettings | None = None,
        max_pictures: int = MAX_PICTURES,
        **options: Any,
    ) -> None:
        """Prepare the hook; the model is loaded at the first picture.

        Args:
            model: a masker, or what `load` takes.
            fetch: limits on pictures from the web.
            engine: limits on the work at a time.
            max_pictures: of one request.
            **options: of `MaskOptions`.

        Raises:
            OptionError, ThresholdError: an option is outside its range.
        """
        super().__init__()
        self._model = model
        self._options = MaskOptions(**options)
        self._fetcher = PictureFetcher(fetch)
        self._engine_settings = engine
        self._max_pictures = max_pictures
        self._running: tuple[asyncio.AbstractEventLoop, PictureMasker] | None = None
        self._starting = asyncio.Lock()

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Return the request with its pictures masked; the one that came stays as it is.

        What became of each picture is in `metadata["ivm_pictures"]`.

        Raises:
            HTTPException: a picture cannot be masked (LiteLLM answers with its status and text).
        """
        if call_type not in _CALLS or not isinstance(data.get("messages"), list):
            return data
        try:
            options = with_headers(self._options, _headers(data))
            if not options.mask:
                return data
            body = await asyncio.to_thread(_dumped, data["messages"])
            if b"image_url" not in body:
                return data
            body, report = await (await self._masker()).mask_body(body, options)
        except IvmError as error:
            raise _refusal(error) from error
        if report is None:
            return data
        told = {**(data.get("metadata") or {}), "ivm_pictures": [str(outcome) for outcome in report.outcomes]}
        return {**data, "messages": (await asyncio.to_thread(json.loads, body))["messages"], "metadata": told}

    async def aclose(self) -> None:
        """Stop the engine; a later request would start another one."""
        if self._running is not None:
            await self._running[1].engine.close()
            self._running = None

    async def _masker(self) -> PictureMasker:
        """The core, started in the running event loop."""
        async with self._starting:
            loop = asyncio.get_running_loop()
            if self._running is None or self._running[0] is not loop:
                if not isinstance(self._model, Masker):
                    self._model = await asyncio.to_thread(load, self._model)
                engine = Engine(self._model, self._engine_settings)
                await engine.start()
                self._running = loop, PictureMasker(engine, self._fetcher, self._max_pictures)
            return self._running[1]


def _dumped(messages: list[Any]) -> bytes:
    return json.dumps({"messages": messages}).encode("ascii")


def _headers(data: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers of the request, as LiteLLM's proxy keeps them."""
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    pairs = headers.items() if isinstance(headers, Mapping) else ()
    return [(str(name).encode("latin-1", "replace"), str(value).encode()) for name, value in pairs]


def _refusal(error: IvmError) -> Exception:
    """The error in the form that LiteLLM hands on to the client."""
    status, headers, _ = openai_error(error)
    told = {name.decode(): value.decode() for name, value in headers if name == b"retry-after"}
    refusal: Exception = optional("fastapi", extra="serve").HTTPException(
        status_code=status, detail=f"ivm: {error}", headers=told or None
    )
    return refusal


hook = IvmHook()
"""The hook with all options as they are by default."""
