"""A recipe's keys and values, whatever it is a recipe for: read from its file, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ivm.core.errors import RecipeError
from ivm.core.extras import optional


def read_values(path: str | Path, *, example: str, extra: str) -> dict[str, Any]:
    """Read the top-level keys of a YAML file.

    Args:
        path: of the file.
        example: a line that such a file may hold, for the message.
        extra: of this project, to be named where PyYAML is not installed.

    Raises:
        RecipeError: the file is missing, no YAML, or holds anything but keys and values.
        MissingExtraError: PyYAML is not installed.
    """
    yaml = optional("yaml", extra=extra)
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"No recipe can be read at {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path} must hold keys and values, for example {example!r}")
    return values


def check_keys(name: str, values: object, known: Iterable[str]) -> None:
    """Check that a value holds keys, and known ones only.

    Raises:
        RecipeError: it does not; the message names the unknown ones.
    """
    if not isinstance(values, Mapping):
        raise RecipeError(f"The recipe's {name} must hold keys and values, not {values!r}")
    if unknown := sorted(map(str, set(values) - set(known))):
        raise RecipeError(f"The recipe's {name} hold unknown keys {unknown}; known are {sorted(known)}")
