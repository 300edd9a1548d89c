"""Two sets of adapters on one language model: one to point, one to judge; the weights below them are shared."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from ivm.models.ivm7b.config import LoraSizes

POINTING = "default"
JUDGING = "judge"


def add_judging(llava: nn.Module, sizes: LoraSizes, rank: int) -> None:
    """Put a second set of adapters beside the first, at the same places; it changes nothing until it is trained."""
    targets = rf"language_model\.layers\.\d+\..*\.({'|'.join(sizes.targets)})"
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, bias="none", target_modules=targets)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")  # that is the purpose
        inject_adapter_in_model(config, llava, adapter_name=JUDGING)
    for name, parameter in llava.named_parameters():
        if f".{JUDGING}." in name:
            parameter.data = parameter.data.float()


def set_dropout(llava: nn.Module, odds: float) -> None:
    """Drop adapters' inputs with these odds while training."""
    for layer in _layers(llava):
        for name in layer.lora_dropout:
            layer.lora_dropout[name] = nn.Dropout(odds) if odds else nn.Identity()


@contextlib.contextmanager
def active(llava: nn.Module, name: str) -> Iterator[None]:
    """Let one set of adapters work, while both stay trainable or not as they are."""
    layers = list(_layers(llava))
    before = [list(layer.active_adapters) for layer in layers]
    _activate(llava, layers, [[name]] * len(layers))
    try:
        yield
    finally:
        _activate(llava, layers, before)


def _activate(llava: nn.Module, layers: list[Any], names: list[list[str]]) -> None:
    adapters = [p for n, p in llava.named_parameters() if ".lora_" in n]
    trained = [p.requires_grad for p in adapters]
    for layer, chosen in zip(layers, names, strict=True):
        layer.set_adapter(chosen)  # which also freezes the others
    for parameter, kept in zip(adapters, trained, strict=True):
        parameter.requires_grad_(kept)


def checkpoint_activations(llava: nn.Module) -> None:
    """Work the language model's activations out anew in the backward pass, with the adapters that were at work."""
    language: Any = llava.language_model

    def contexts() -> tuple[Any, Any]:
        name = next(iter(_layers(llava))).active_adapters[0]
        return contextlib.nullcontext(), active(llava, name)

    # Older releases of transformers 5 have another name for it.
    enable = getattr(language, "activation_checkpointing_enable", None) or language.gradient_checkpointing_enable
    enable({"use_reentrant": False, "context_fn": contexts})


def _layers(llava: nn.Module) -> Iterator[Any]:
    return (module for module in llava.modules() if isinstance(module, LoraLayer))


def unfreeze(parameters: Iterable[nn.Parameter]) -> None:
    """Train these parameters, in float32."""
    for parameter in parameters:
        parameter.data = parameter.data.float()
        parameter.requires_grad_()
