r"""lmms-eval: the model "ivm" wraps another one of its models and masks every picture on the way to it.

    lmms-eval --model ivm --tasks vstar_bench \
        --model_args inner=qwen2_5_vl,view=highlight,pretrained=Qwen/Qwen2.5-VL-7B-Instruct

Found by the entry point group `lmms_eval.models` (lmms-eval 0.7 or newer). Arguments that are not the hook's go to the
inner model. Its classes derive from lmms-eval's, which need not be installed; so they are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ivm.core.errors import OptionError
from ivm.core.extras import optional
from ivm.evaluation.plugins.hook import SETTINGS, MaskingHook

MODEL = "ivm"

_VISUAL = 2
"""Place of `doc_to_visual` among the arguments of a simple model's request."""
_MESSAGES = 1
"""Place of `doc_to_messages` among those of a chat model's."""


def manifest() -> Any:
    """What the entry point gives: both classes by their path.

    Raises:
        MissingExtraError: lmms-eval is not installed.
    """
    registry = optional("lmms_eval.models.registry_v2")
    return registry.ModelManifest(
        model_id=MODEL,
        simple_class_path=f"{__name__}.MaskedSimple",
        chat_class_path=f"{__name__}.MaskedChat",
    )


def __getattr__(name: str) -> Any:
    if name in ("MaskedSimple", "MaskedChat"):
        made = globals()[name] = _masked_class(name, simple=name == "MaskedSimple")
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _masked_class(name: str, *, simple: bool) -> Any:
    base = optional("lmms_eval.api.model").lmms
    body = {
        "__doc__": "A model of lmms-eval whose pictures are masked; see the module.",
        "__module__": __name__,
        "is_simple": simple,
        "__init__": _init_of(base),
        "__getattr__": _of_inner,
        "task_dict": property(lambda self: self.inner.task_dict, _set_task_dict),
        "set_cache_hook": lambda self, hook: self.inner.set_cache_hook(hook),
        "generate_until": _passing("generate_until"),
        "loglikelihood": _passing("loglikelihood"),
        "generate_until_multi_round": _passing("generate_until_multi_round"),
    }
    return type(name, (base,), body)


def _init_of(base: Any) -> Callable[..., None]:
    def init(self: Any, inner: Any = "", **options: Any) -> None:
        """Make the inner model and the hook.

        Args:
            self: the model.
            inner: the name of a model of lmms-eval, or one that is made.
            options: those of `MaskingHook` by name, all others for the inner model.

        Raises:
            OptionError: no inner model is named, or an option of the hook is impossible.
        """
        if not inner:
            raise OptionError("Say which model is to be asked: --model_args inner=NAME,... with its own arguments")
        self.hook = MaskingHook.of({name: options.pop(name) for name in (*SETTINGS, "masker") if name in options})
        self.inner = _inner_model(inner, self.is_simple, options) if isinstance(inner, str) else inner
        base.__init__(self)
        self._rank, self._world_size = self.inner.rank, self.inner.world_size

    return init


def _inner_model(name: str, simple: bool, options: dict[str, Any]) -> Any:
    found = optional("lmms_eval.models").get_model(name, force_simple=simple)
    if found.is_simple != simple:
        kind = "simple" if found.is_simple else "chat"
        hint = "add --force_simple" if found.is_simple else "leave out --force_simple"
        raise OptionError(f"The model {name!r} is a {kind} one: {hint}")
    return found(**options)


def _of_inner(self: Any, name: str) -> Any:
    """What the wrapper has not: device, accelerator, tokenizer, batch size."""
    if name == "inner":
        raise AttributeError(name)
    return getattr(self.inner, name)


def _set_task_dict(self: Any, value: dict[str, Any]) -> None:
    self.inner.task_dict = value


def _passing(method: str) -> Callable[[Any, Sequence[Any]], Any]:
    def call(self: Any, requests: Sequence[Any]) -> Any:
        """Ask the inner model, its pictures masked."""
        wrap = with_visuals if self.is_simple else with_messages
        return getattr(self.inner, method)([wrap(one, self.hook) for one in requests])

    return call


def with_visuals(request: Any, hook: MaskingHook) -> Any:
    """The request of a simple model with `doc_to_visual` masking what it gives; text of its first argument asks."""
    arguments = list(request.arguments)
    visuals, words = arguments[_VISUAL], str(arguments[0])
    if callable(visuals):

        def masked(*given: Any, **named: Any) -> list[Any]:
            found = visuals(*given, **named) or []
            return [one for item in found for one in _masked(item, words, hook)]

        arguments[_VISUAL] = masked
    return replace(request, arguments=tuple(arguments))


def with_messages(request: Any, hook: MaskingHook) -> Any:
    """The request of a chat model with `doc_to_messages` masking the pictures; the texts of the last user ask."""
    arguments = list(request.arguments)
    messages = arguments[_MESSAGES]

    def masked(*given: Any, **named: Any) -> Any:
        found = messages(*given, **named)
        return [masked_message(one, _words(found), hook) for one in found] if isinstance(found, list) else found

    arguments[_MESSAGES] = masked
    return replace(request, arguments=tuple(arguments))


def masked_message(message: dict[str, Any], words: str, hook: MaskingHook) -> dict[str, Any]:
    """A message whose pictures are masked; a view of two pictures makes two parts of one."""
    if not isinstance(message.get("content"), list):
        return message
    parts: list[Any] = []
    for part in message["content"]:
        if isinstance(part, dict) and part.get("type") == "image":
            parts += [{**part, "url": one} for one in _masked(part["url"], words, hook)]
        else:
            parts.append(part)
    return {**message, "content": parts}


def _words(messages: Sequence[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return "\n".join(str(part["text"]) for part in content if part.get("type") == "text")
    return ""


def _masked(item: Any, words: str, hook: MaskingHook) -> list[Any]:
    """Mask a picture; videos and sounds, which are paths here, pass as they are."""
    from PIL import Image

    if not isinstance(item, Image.Image):
        return [item]
    return [Image.fromarray(one) for one in hook.pictures(item, words)]
