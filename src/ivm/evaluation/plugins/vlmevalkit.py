"""VLMEvalKit: an adapter for models behind an API, a wrapper for those that run locally, and the launcher of both.

    python -m ivm.evaluation.plugins.vlmevalkit run.py --data VStarBench --base-url URL --model NAME --custom-prompt ivm
    python -m ivm.evaluation.plugins.vlmevalkit run.py --data VStarBench --model ivm:Qwen2.5-VL-7B-Instruct

VLMEvalKit has no entry points, so something must register ours before its own `run.py` begins: the first argument here
is the path of that file, all others are its own. `IVM_VIEW`, `IVM_MASK_MODEL` and `IVM_THRESHOLD` choose how to mask.
"""

from __future__ import annotations

import hashlib
import runpy
import sys
import tempfile
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ivm.core.errors import OptionError
from ivm.core.extras import optional
from ivm.core.files import write_files
from ivm.evaluation.plugins.hook import MaskingHook
from ivm.masking.saving import encoded

ADAPTER = "ivm"
PREFIX = "ivm:"
"""Stands before the name of a local model that is to get masked pictures."""

Message = Sequence[dict[str, Any]]
"""VLMEvalKit's: `[{"type": "image", "value": path}, {"type": "text", "value": words}]`."""


def masked_message(message: Message, hook: MaskingHook, folder: Path) -> list[dict[str, Any]]:
    """Mask the pictures of a message; the text of the whole message asks.

    Args:
        message: see `Message`; other types pass as they are.
        hook: masks.
        folder: for the masked pictures, named by their content.

    Raises:
        IvmError: a picture cannot be read, or the model failed.
        OutputError: the folder cannot be written.
    """
    words = "\n".join(str(part["value"]) for part in message if part.get("type") == "text")
    parts: list[dict[str, Any]] = []
    for part in message:
        if part.get("type") != "image":
            parts.append(part)
            continue
        for picture in hook.pictures(part["value"], words):
            data = encoded(picture, ".png")
            path = folder / f"{hashlib.sha256(data).hexdigest()[:24]}.png"
            if not path.is_file():
                write_files([(path, data)])
            parts.append({**part, "value": str(path)})
    return parts


def register(hook: MaskingHook | None = None, folder: Path | None = None) -> None:
    """Register the adapter "ivm", and a masked twin "ivm:NAME" of every local model.

    Args:
        hook: how to mask; by default what the environment says.
        folder: for masked pictures; by default one of the system's temporary ones.

    Raises:
        MissingExtraError: VLMEvalKit is not installed.
        OptionError: the environment says something impossible.
    """
    adapters = optional("vlmeval.api.adapters")
    masks = hook or MaskingHook.from_environment()
    place = folder or Path(tempfile.mkdtemp(prefix="ivm-vlmeval-"))

    def process_inputs(self: Any, inputs: Message, dataset: str | None = None) -> Message:
        """Mask what is sent."""
        return masked_message(inputs, masks, place)

    made = type("IvmAdapter", (adapters.ModelAdapter,), {"process_inputs": process_inputs, "__module__": __name__})
    adapters.register_adapter(ADAPTER)(made)
    supported: MutableMapping[str, Callable[..., Any]] = optional("vlmeval.config").supported_VLM
    for name in [name for name in supported if not name.startswith(PREFIX)]:
        supported[f"{PREFIX}{name}"] = partial(MaskedLocal, supported[name], masks, place)


class MaskedLocal:
    """A local model of VLMEvalKit that gets masked pictures; all but `generate` is its own."""

    def __init__(self, build: Callable[..., Any], hook: MaskingHook, folder: Path, **options: Any) -> None:
        """Build the model.

        Args:
            build: makes it, as in `supported_VLM`.
            hook: masks.
            folder: for masked pictures.
            options: for `build`.
        """
        self._inner, self._hook, self._folder = build(**options), hook, folder

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def generate(self, message: Any, dataset: str | None = None) -> Any:
        """Answer a message, its pictures masked; a plain list of paths and texts is put into the usual form first."""
        told = self._inner.preproc_content(message) if hasattr(self._inner, "preproc_content") else message
        return self._inner.generate(masked_message(told, self._hook, self._folder), dataset)


def main(arguments: Sequence[str] | None = None) -> None:
    """Register, then run VLMEvalKit's own `run.py` with the other arguments.

    Raises:
        OptionError: the first argument is no file.
        MissingExtraError: VLMEvalKit is not installed.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or not Path(given[0]).is_file():
        raise OptionError("Give the path of VLMEvalKit's run.py first, then its own arguments")
    register()
    sys.argv = given
    runpy.run_path(given[0], run_name="__main__")


if __name__ == "__main__":
    from ivm.core.errors import IvmError

    try:
        main()
    except IvmError as error:
        sys.exit(f"error: {error}")
