"""The paper's import: `from IVM import load` is `from ivm import load`."""

from ivm import *  # noqa: F403
from ivm import __all__, __version__

__all__ = [*__all__, "__version__"]
