"""How values of a recipe are checked, and what is said where one is impossible."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ivm.core.errors import RecipeError


def check_number(name: str, value: object, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    """Check that a value is a number in a range.

    Raises:
        RecipeError: it is not; the message names it.
    """
    number = type(value) is int or (type(value) is float and not whole)
    if not number or not low <= value <= high or value == math.inf:  # type: ignore[operator]
        upper = f"to {high}" if high < math.inf else "up"
        raise RecipeError(f"The recipe's {name} must be a {'whole ' * whole}number from {low} {upper}, not {value!r}")


def check_choice(name: str, value: object, choices: Iterable[Any]) -> None:
    """Check that a value is one of several.

    Raises:
        RecipeError: it is not.
    """
    if value not in (known := tuple(choices)):
        raise RecipeError(f"The recipe's {name} must be one of {known}, not {value!r}")


def check_flag(name: str, value: object) -> None:
    """Check that a value is true or false.

    Raises:
        RecipeError: it is neither.
    """
    if type(value) is not bool:
        raise RecipeError(f"The recipe's {name} must be true or false, not {value!r}")
