"""`ivm mask` for a single picture."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivm.cli.console import emit
from ivm.cli.request import Request
from ivm.core.errors import ImageNotFoundError, OptionError
from ivm.core.files import output_errors
from ivm.core.machine import available_cores

if TYPE_CHECKING:
    from ivm.masking import MaskResult

DEFAULT_OUTPUT = "ivm-out"


def mask_one(request: Request) -> None:
    """Mask one picture into a folder, or to standard output.

    Raises:
        IvmError: whatever was wrong; nothing is written then.
    """
    if request.output == "-":
        _to_stdout(request)
        return
    started = time.perf_counter()
    result, settings = _masked(request)
    seconds = round(time.perf_counter() - started, 3)
    from ivm.inference.store import write_result

    source = request.picture if request.picture == "-" else str(Path(request.picture).resolve())
    about = {"image": source, "instruction": request.checked_instruction(), "seconds": seconds, **settings}
    folder = Path(request.output or Path(DEFAULT_OUTPUT, _name(request.picture)))
    summary = write_result(result, folder, about, threads=available_cores())
    if request.as_json:
        emit(json.dumps({**summary, "folder": str(folder)}, indent=2, ensure_ascii=False))
    elif not request.quiet:
        emit(_in_words(summary, folder))


def _masked(request: Request) -> tuple[MaskResult, dict[str, Any]]:
    """The result, and the settings that it was made with; mistakes in the input are told before the model is loaded."""
    from ivm.core.images import load_image

    instruction = request.checked_instruction()
    image = load_image(_stdin_bytes() if request.picture == "-" else request.picture)
    masker = request.load()
    result = masker(image, instruction, request.threshold, **request.style)
    return result, request.settings(masker).to_json()


def _to_stdout(request: Request) -> None:
    if request.as_json:
        raise OptionError("-o - writes a picture to standard output, where --json would mix into it: leave one away")
    if sys.stdout.isatty():
        raise OptionError("-o - would write a PNG to the terminal: send it on, for example with > masked.png")
    result, _ = _masked(request)
    from ivm.inference.store import picture
    from ivm.masking.saving import encoded

    content = encoded(picture(result, request.shown, request.checked_instruction()), ".png")
    with output_errors("standard output"):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def _stdin_bytes() -> bytes:
    if sys.stdin.isatty():
        raise ImageNotFoundError("There is no picture on standard input: pipe one, or give its path instead of -")
    return sys.stdin.buffer.read()


def _name(picture: str) -> str:
    return "stdin" if picture == "-" else Path(picture).stem


def _in_words(summary: Mapping[str, Any], folder: Path) -> str:
    """Two lines for a person: what was found where, and where to look."""
    chance = f"{100 * summary['found']:.0f} %" if summary["found"] is not None else "unknown chance"
    if summary["kept_whole"]:
        what = f"not found ({chance} likely): {summary['instruction']}; the whole picture is kept"
    else:
        x0, y0, x1, y1 = summary["target_bbox"]
        what = (
            f"found ({chance} likely): {summary['instruction']}, at x {x0}-{x1}, y {y0}-{y1}, "
            f"{100 * summary['coverage']:.1f} % of the picture"
        )
    names = [name for name in summary["files"].values() if name != "sheet.png"]
    sheet = f"look at {folder / 'sheet.png'}; " if "sheet" in summary["files"] else ""
    return f"{what}\n{sheet}{len(names)} pictures and summary.json are in {folder}"
