"""What people read on the terminal; results go to standard output, all else to standard error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivm.core.files import output_error

if TYPE_CHECKING:
    from rich.console import Console


def emit(text: str) -> None:
    """Print a result on standard output at once.

    Raises:
        OutputError: standard output takes no more; DiskFullError where it is a file on a full disk.
        BrokenPipeError: its reader has gone.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error("standard output", error) from error


def errors() -> Console:
    """A console on standard error, plain where that is not a terminal."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def error_line(sentence: str) -> None:
    """Print `error: <sentence>` on standard error; the sentence is never read as markup."""
    from rich.text import Text

    errors().print(Text.assemble(("error: ", "bold red"), sentence))


def show_log() -> None:
    """Print on standard error what the package logs for people, from now on."""
    logger = logging.getLogger("ivm")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _ErrorsHandler) for handler in logger.handlers):
        logger.addHandler(_ErrorsHandler())


class _ErrorsHandler(logging.Handler):
    """Prints messages alone, without time and level."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        errors().print(record.getMessage())
