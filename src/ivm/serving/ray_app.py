"""The app as a Ray Serve deployment: `build` is what `deploy/ray-serve.yaml` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from ray import serve

from ivm.core.errors import OptionError


class Arguments(TypedDict, total=False):
    """What the YAML may say under `args`; everything has a default."""

    model: str
    device: str
    api_keys: str
    """A file of API keys, on every node; `IVM_API_KEYS` in the environment holds more."""
    origins: list[str]
    page: bool
    max_requests: int
    max_batch: int
    timeout: float


@serve.ingress()
class Masks:
    """One replica: one model, one engine, and the app in front of it."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments

    def __serve_build_asgi_app__(self) -> Any:
        """Build the app where the replica runs: Ray asks for it once."""
        from ivm.inference.zoo import load
        from ivm.serving.app import create_app
        from ivm.serving.keys import load_keys
        from ivm.serving.settings import EngineSettings, HttpSettings

        given = self._arguments
        file = given.get("api_keys")
        http = HttpSettings(
            keys=load_keys(Path(file) if file else None),
            origins=tuple(given.get("origins", ())),
            page=given.get("page", False),
        )
        engine: dict[str, Any] = {name: given[name] for name in _ENGINE if name in given}  # type: ignore[literal-required]
        masker = load(given.get("model", "ivm-nano"), device=given.get("device", "auto"))
        return create_app(masker, http=http, engine=EngineSettings(**engine))


_ENGINE = ("max_requests", "max_batch", "timeout")


def build(arguments: dict[str, Any]) -> Any:
    """Return the application that Ray Serve runs.

    Args:
        arguments: see `Arguments`.

    Raises:
        OptionError: an argument has no meaning.
    """
    known = list(Arguments.__annotations__)
    if unknown := [name for name in arguments if name not in known]:
        raise OptionError(f"The deployment has no argument {unknown[0]!r}: it has {', '.join(known)}")
    deployment: Any = serve.deployment(Masks)
    return deployment.bind(arguments)
