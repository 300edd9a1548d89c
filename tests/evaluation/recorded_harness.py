"""The parts of lmms-eval 0.7.3 and VLMEvalKit (October 2026) that our plug-ins use, for machines without them.

Recorded from their sources: names, places of arguments and what is called with what.
"""

import abc
import sys
from dataclasses import dataclass, field
from types import ModuleType


@dataclass(frozen=True)
class ModelManifest:
    """lmms_eval.models.registry_v2."""

    model_id: str
    simple_class_path: str | None = None
    chat_class_path: str | None = None
    aliases: tuple = ()


@dataclass
class Instance:
    """lmms_eval.api.instance."""

    request_type: str
    arguments: tuple
    idx: int
    metadata: dict = field(default_factory=dict)
    resps: list = field(default_factory=list)

    @property
    def args(self):
        return self.arguments if isinstance(self.arguments, tuple) else (self.arguments,)


class lmms(abc.ABC):
    """lmms_eval.api.model."""

    is_simple = True

    def __init__(self):
        self._rank, self._world_size, self.task_dict = 0, 1, {}

    @abc.abstractmethod
    def loglikelihood(self, requests): ...

    @abc.abstractmethod
    def generate_until(self, requests): ...

    @abc.abstractmethod
    def generate_until_multi_round(self, requests): ...

    @classmethod
    def create_from_arg_string(cls, arg_string, additional_config=None):
        told = dict(part.split("=", 1) for part in arg_string.split(",") if part)
        return cls(**told, **{k: v for k, v in (additional_config or {}).items() if v is not None})

    @property
    def rank(self):
        return self._rank

    @property
    def world_size(self):
        return self._world_size


class ModelAdapter:
    """vlmeval.api.adapters."""

    def process_inputs(self, inputs, dataset=None):
        return inputs

    def process_payload(self, payload, dataset=None):
        return payload

    def postprocess(self, response, dataset=None):
        return response


def _module(name, **content):
    made = ModuleType(name)
    vars(made).update(content)
    made.__path__ = []
    return made


def lmms_eval():
    """Its modules by name."""
    return {
        "lmms_eval": _module("lmms_eval"),
        "lmms_eval.api": _module("lmms_eval.api"),
        "lmms_eval.api.model": _module("lmms_eval.api.model", lmms=lmms),
        "lmms_eval.api.instance": _module("lmms_eval.api.instance", Instance=Instance),
        "lmms_eval.models": _module("lmms_eval.models", get_model=None),
        "lmms_eval.models.registry_v2": _module("lmms_eval.models.registry_v2", ModelManifest=ModelManifest),
    }


def vlmeval():
    """Its modules by name."""
    registry = {}

    def register_adapter(name, factory=None):
        if factory is not None:
            registry[name] = factory
            return factory
        return lambda cls: registry.setdefault(name, cls)

    adapters = _module(
        "vlmeval.api.adapters",
        ModelAdapter=ModelAdapter,
        register_adapter=register_adapter,
        build_adapter=lambda name, **options: registry[name](**options),
    )
    return {
        "vlmeval": _module("vlmeval"),
        "vlmeval.api": _module("vlmeval.api"),
        "vlmeval.api.adapters": adapters,
        "vlmeval.config": _module("vlmeval.config", supported_VLM={}),
    }


def installed(monkeypatch, package, recorded):
    """Put the recorded modules in place of a package that is not installed."""
    try:
        __import__(package)
    except ImportError:
        for name, module in recorded().items():
            monkeypatch.setitem(sys.modules, name, module)
