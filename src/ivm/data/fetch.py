"""Brings IVM-Mix-1M here: three archives, each checked against the hub's sum, then unpacked."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ivm.core.download import (
    Hub,
    HuggingFace,
    RemoteFile,
    download,
    hub_errors,
    is_whole,
    require_space,
    still_to_come,
    written,
)
from ivm.core.errors import DataFetchError, MissingExtraError, OptionError
from ivm.core.files import output_error
from ivm.data.parts import Progress, silent

REPOSITORY = "2toINF/IVM-Mix-1M"
ARCHIVES = {"human": "HumanLabelData.zip", "robot": "RobotMachineData.zip", "vqa": "VQAMachineData.zip"}
"""The parts and their archives: 1.25 GB, 2.21 GB and 3.92 GB."""


def fetch(
    folder: Path, parts: Sequence[str] = tuple(ARCHIVES), *, hub: Hub | None = None, progress: Progress = silent
) -> list[Path]:
    """Download, check and unpack parts of IVM-Mix-1M; what is there already is not done again.

    Args:
        folder: for the archives, and for one folder a part.
        parts: keys of `ARCHIVES`.
        hub: Hugging Face's by default.
        progress: told after each part.

    Returns:
        The folders of the parts, ready for `ivm data convert`.

    Raises:
        OptionError: there is no such part.
        DataFetchError: an archive is not here and cannot be downloaded, or is not what the hub says.
        OutputError: the folder cannot be written; DiskFullError where no space is left.
        MissingExtraError: huggingface_hub is not installed, and an archive is not here.
    """
    if unknown := [part for part in parts if part not in ARCHIVES]:
        raise OptionError(f"IVM-Mix-1M has no part {unknown[0]!r}: there are {', '.join(ARCHIVES)}")
    hub = hub or HuggingFace(REPOSITORY, "dataset")
    missing = [part for part in parts if not (folder / Path(ARCHIVES[part]).stem / ".unpacked").is_file()]
    done = len(parts) - len(missing)
    progress(done, len(parts))
    if missing:
        _bring(hub, folder, [ARCHIVES[part] for part in missing])
    for part in missing:
        _unpack(folder / ARCHIVES[part], folder / Path(ARCHIVES[part]).stem)
        done += 1
        progress(done, len(parts))
    return [folder / Path(ARCHIVES[part]).stem for part in parts]


def _bring(hub: Hub, folder: Path, names: Sequence[str]) -> None:
    """Have archives here, as the hub says they must be; where it cannot be asked, those that people brought do."""

    def lacking() -> list[str]:
        return [name for name in names if not (folder / name).is_file()]

    remedy = f"put {' and '.join(lacking())} of the data set {hub.repository} into '{folder}' yourself"
    try:
        with hub_errors(hub, "IVM-Mix-1M", lambda: ", ".join(lacking()), remedy):
            files = hub.listing(lambda name: name in names)[1]
    except (DataFetchError, MissingExtraError):
        if lacking():
            raise
        return
    if gone := sorted(set(names) - {file.name for file in files}):
        raise DataFetchError(f"The data set {hub.repository} holds no {gone[0]} any more: look there for its new name")
    with hub_errors(hub, "IVM-Mix-1M", lambda: ", ".join(lacking()), remedy), written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [file for file in files if not _is_here(folder / file.name, file)]
        size = sum(still_to_come(file, folder / file.name) for file in wanted)
        require_space("IVM-Mix-1M", size, folder, "choose another folder")
        for file in wanted:
            download(hub, file, folder / file.name)


def _is_here(path: Path, file: RemoteFile) -> bool:
    """Whether an archive is here, whole; one that is not is removed."""
    if path.is_file() and not is_whole(path, file):
        path.unlink()
    return path.is_file()


def _unpack(archive: Path, place: Path) -> None:
    """Unpack an archive; files that an interrupted run has written whole are kept."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                inside = PurePosixPath(info.filename)
                if info.is_dir() or inside.is_absolute() or ".." in inside.parts:
                    continue
                target = place / inside
                if not (target.is_file() and target.stat().st_size == info.file_size):
                    _write(bundle.read(info), target)
        _write(b"", place / ".unpacked")
    except (zipfile.BadZipFile, EOFError) as error:
        raise DataFetchError(
            f"'{archive}' is no whole archive ({error}): remove it and run the same command again"
        ) from error
    except OSError as error:
        raise output_error(place, error) from error


def _write(content: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
