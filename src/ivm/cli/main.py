"""The entry point of `ivm`: the one place that turns errors into a sentence and an exit code.

It imports the commands (`cli/app.py`) late, so that Ctrl-C is answered with a sentence from the first moment on.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from ivm.core.errors import IvmError
from ivm.core.files import output_errors

BROKEN_PIPE = 1
INTERRUPTED = 130
TERMINATED = 143
OUT_OF_MEMORY = 6


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process.

    Args:
        arguments: without the program's name; the process's own by default.
    """
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, 1 when the reader of a pipe has gone, 2 for a wrong use of the command, 6 without memory, 130
        after Ctrl-C, else the error's own (`core.errors`).
    """
    # SystemExit unwinds the stack, so that half-written files are cleared away; the default would just stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    debug = "--debug" in _before_dashes(arguments)
    try:
        return _command(arguments)
    except (KeyboardInterrupt, SystemError) as error:
        if not _is_interruption(error):
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one finds the end under way
        return _fail("interrupted before anything was written: run the same command again", INTERRUPTED, error, debug)
    except MemoryError as error:
        sentence = "Not enough memory: use smaller pictures or a smaller --batch-size"
        return _fail(sentence, OUT_OF_MEMORY, error, debug, IvmError.docs)
    except IvmError as error:
        return _fail(str(error), error.exit_code, error, debug, error.docs)
    except OSError as error:
        return _fail(f"The operating system refused: {error}", IvmError.exit_code, error, debug)
    finally:
        _settle_stdout()


def _command(arguments: list[str]) -> int:
    """Let Typer run the command, which ends with SystemExit in any case; it tells about wrong use itself."""
    try:
        from ivm.cli.app import app

        app(args=arguments, prog_name="ivm")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if code == INTERRUPTED:
            raise KeyboardInterrupt from stop
    else:
        code = 0
    try:
        with output_errors("standard output"):
            sys.stdout.flush()
    except BrokenPipeError:
        return BROKEN_PIPE
    return code


def _is_interruption(error: BaseException | None) -> bool:
    """Whether an error is Ctrl-C, or the SystemError that compiled code makes of it."""
    while isinstance(error, SystemError):
        error = error.__cause__
    return isinstance(error, KeyboardInterrupt)


def _before_dashes(arguments: list[str]) -> list[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _fail(sentence: str, code: int, error: BaseException, debug: bool, docs: str | None = None) -> int:
    if debug:
        traceback.print_exception(error)
    from ivm.cli.console import error_line

    with contextlib.suppress(BrokenPipeError):
        error_line(sentence, docs)
    return code


def _settle_stdout() -> None:
    """Where standard output takes no more, drop what is left, or Python would complain about it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
