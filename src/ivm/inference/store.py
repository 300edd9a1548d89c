"""One result on disk: pictures and `summary.json` in a folder of their own, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ivm.core.files import output_errors
from ivm.masking import MaskResult
from ivm.masking.saving import encoded

SUMMARY = "summary.json"

SHEET = "sheet"
"""Name of the contact sheet among the pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a result depends on besides its picture and its instruction."""

    threshold: float = 0.5
    style: Mapping[str, Any] = field(default_factory=dict)
    """As `MaskResult.from_logits` takes it, less what has its default value."""
    pictures: Sequence[str]
    """Attributes of `MaskResult` to write, and `SHEET`."""
    model: str
    version: str
    """Of this package."""

    def to_json(self) -> dict[str, Any]:
        """As `summary.json` holds them, so that equal settings are equal after reading, too."""
        settings: dict[str, Any] = json.loads(
            json.dumps(
                {
                    "threshold": self.threshold,
                    "style": dict(self.style),
                    "pictures": list(self.pictures),
                    "model": self.model,
                    "version": self.version,
                }
            )
        )
        return settings


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into, and make its files those of `folder` when the block ends well.

    Where the block fails, `folder` stays as it was. Files that others put there are never touched; what an earlier
    summary lists is replaced, and its summary goes first and comes last, so that a summary means a whole result.

    Raises:
        OutputError: the folder cannot be written; DiskFullError where no space is left.
    """
    with output_errors(folder):
        # Beside the result, or inside it where it exists: that is the same file system, where a rename is atomic.
        near = folder if folder.exists() else folder.parent
        near.mkdir(parents=True, exist_ok=True)
        fresh = near / f".ivm-{uuid.uuid4().hex[:12]}"
        fresh.mkdir()
        try:
            yield fresh
            _publish(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON; `path` is in a folder that is not yet published."""
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_result(result: MaskResult, folder: Path, about: Mapping[str, Any], *, threads: int = 1) -> dict[str, Any]:
    """Write a result's pictures and its summary, whole or not at all.

    Args:
        result: what to write.
        folder: where; made when needed, and other files in it are left alone.
        about: first entries of the summary, with "instruction" and, in "pictures", the names of those to write.
        threads: for encoding; one is best where several results are written at once.

    Returns:
        The summary: `about`, what was found, and the name of each file.

    Raises:
        OutputError: the folder cannot be written; DiskFullError where no space is left.
    """
    with whole_folder(folder) as fresh:
        files = _write_pictures(result, fresh, about, threads)
        summary = {**about, **result.summary(), "files": files}
        write_json(fresh / SUMMARY, summary)
    return summary


def read_finished(folder: Path, expected: Mapping[str, Any]) -> dict[str, Any] | None:
    """The summary of a whole result of an earlier run, if it is of what is expected and its picture is unchanged."""
    summary = _read_summary(folder)
    if summary is None or any(key not in summary or summary[key] != value for key, value in expected.items()):
        return None
    try:
        written = (folder / SUMMARY).stat().st_mtime_ns
        whole = all((folder / str(name)).is_file() for name in summary["files"].values())
        return summary if whole and Path(expected["image"]).stat().st_mtime_ns <= written else None
    except OSError:
        return None


def replace_lines(path: Path, lines: Sequence[str]) -> None:
    """Replace a text file by these lines at once; without any line there is no file.

    Raises:
        OutputError: it cannot be written; DiskFullError where no space is left.
    """
    fresh = path.with_name(f".ivm-{uuid.uuid4().hex[:12]}")
    with output_errors(path):
        if not lines:
            path.unlink(missing_ok=True)
            return
        try:
            _write_text(fresh, "".join(f"{line}\n" for line in lines))
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def picture(result: MaskResult, name: str, title: str = "") -> NDArray[Any]:
    """Render one picture of a result by its key, or the contact sheet under a title."""
    if name == SHEET:
        return result.contact_sheet(title)
    pixels: NDArray[Any] = getattr(result, name)
    return pixels


def _write_pictures(result: MaskResult, folder: Path, about: Mapping[str, Any], threads: int) -> dict[str, str]:
    names, title = about["pictures"], about["instruction"]

    def write(name: str, pixels: NDArray[Any]) -> None:
        (folder / f"{name}.png").write_bytes(encoded(pixels, ".png"))

    # Rendering stays in this thread, one picture feeds the next; encoding the last one goes on beside it.
    with ThreadPoolExecutor(threads, thread_name_prefix="ivm-encode") as pool:
        written = [pool.submit(write, name, picture(result, name, title)) for name in names]
        for future in written:
            future.result()
    return {name: f"{name}.png" for name in names}


def _write_text(path: Path, text: str) -> None:
    # Names of files need not be text; what is not becomes JSON's own escape, which reads back as the same name.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _read_summary(folder: Path) -> dict[str, Any] | None:
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and isinstance(summary.get("files"), dict) else None


def _publish(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    files = sorted(fresh.iterdir(), key=lambda file: file.name == SUMMARY)
    stale = (_read_summary(folder) or {"files": {}})["files"].values()
    (folder / SUMMARY).unlink(missing_ok=True)
    for name in {Path(str(name)).name for name in stale} - {file.name for file in files}:
        (folder / name).unlink(missing_ok=True)
    for file in files:
        file.replace(folder / file.name)
