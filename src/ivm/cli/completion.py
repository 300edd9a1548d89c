"""What the shell offers for the value of an option, after TAB; where that is nothing, it offers files."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Completion = Callable[[str], list[str]]
"""Takes what is typed so far and gives what it may become."""


def listed(names: Callable[[], Iterable[str]]) -> Completion:
    """Offer names that a room lists, which is imported only when they are asked for."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def one_of(*names: str) -> Completion:
    """Offer names."""
    return listed(lambda: names)


def _models() -> Iterable[str]:
    from ivm.inference.catalogue import ZOO

    return (model.name for model in ZOO)


model_names = listed(_models)
"""The zoo's models; a path is completed by the shell."""
