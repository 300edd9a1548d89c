"""Brings IVM-Mix-1M here: three archives, each checked against its sum, then unpacked."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ivm.core.errors import DataFetchError, MissingExtraError, OptionError
from ivm.core.extras import optional
from ivm.core.files import output_error
from ivm.data.parts import Progress, silent

REPOSITORY = "2toINF/IVM-Mix-1M"
ARCHIVES = {"human": "HumanLabelData.zip", "robot": "RobotMachineData.zip", "vqa": "VQAMachineData.zip"}
"""The parts and their archives: 1.25 GB, 2.21 GB and 3.92 GB."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the hub lists it."""

    name: str
    size: int
    sha256: str


class Hub(Protocol):
    """Where the archives come from; a fake in tests."""

    def listing(self) -> Sequence[Remote]:
        """The files there are.

        Raises:
            OSError: the hub is not to be reached.
        """
        ...

    def download(self, name: str, folder: Path) -> None:
        """Put a file into a folder; what an interrupted download has brought is used again.

        Raises:
            OSError: the hub is not to be reached, or the file cannot be written.
        """
        ...


class HuggingFaceHub:
    """The real one; shows its own progress bars."""

    def listing(self) -> Sequence[Remote]:
        """See `Hub`."""
        hub = optional("huggingface_hub", extra="data")
        try:
            info = hub.HfApi().dataset_info(REPOSITORY, files_metadata=True)
        except Exception as error:  # its errors have no common base but this
            raise ConnectionError(f"{type(error).__name__}: {_first_line(error)}") from error
        return [Remote(file.rfilename, file.size, file.lfs["sha256"]) for file in info.siblings if file.lfs]

    def download(self, name: str, folder: Path) -> None:
        """See `Hub`."""
        hub = optional("huggingface_hub", extra="data")
        try:
            hub.hf_hub_download(REPOSITORY, name, repo_type="dataset", local_dir=folder)
        except OSError:
            raise
        except Exception as error:
            raise ConnectionError(f"{type(error).__name__}: {_first_line(error)}") from error


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
    """
    if unknown := [part for part in parts if part not in ARCHIVES]:
        raise OptionError(f"IVM-Mix-1M has no part {unknown[0]!r}: there are {', '.join(ARCHIVES)}")
    hub = hub or HuggingFaceHub()
    missing = [part for part in parts if not (folder / Path(ARCHIVES[part]).stem / ".unpacked").is_file()]
    listing = _listing(hub, folder, missing) if missing else None
    done = len(parts) - len(missing)
    progress(done, len(parts))
    for part in missing:
        _bring(ARCHIVES[part], folder, hub, listing, missing)
        _unpack(folder / ARCHIVES[part], folder / Path(ARCHIVES[part]).stem)
        done += 1
        progress(done, len(parts))
    return [folder / Path(ARCHIVES[part]).stem for part in parts]


def _listing(hub: Hub, folder: Path, parts: Sequence[str]) -> dict[str, Remote] | None:
    """What the hub has; None where it cannot be asked, and need not be, because people brought the archives by hand."""
    try:
        return {remote.name: remote for remote in hub.listing()}
    except (OSError, MissingExtraError) as error:
        if all((folder / ARCHIVES[part]).is_file() for part in parts):
            return None
        if isinstance(error, MissingExtraError):
            raise
        raise _unreachable(error, folder, parts) from error


def _bring(name: str, folder: Path, hub: Hub, listing: dict[str, Remote] | None, parts: Sequence[str]) -> None:
    """Have an archive here, and compare it with what the hub says of it, where that could be asked."""
    path = folder / name
    if listing is None:
        return
    if (remote := listing.get(name)) is None:
        raise DataFetchError(f"The data set {REPOSITORY} holds no {name} any more: look there for its new name")
    if not path.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            hub.download(name, folder)
        except OSError as error:
            raise _unreachable(error, folder, parts) from error
    if path.stat().st_size != remote.size or _sha256(path) != remote.sha256:
        path.unlink()
        raise DataFetchError(f"{name} arrived damaged and was removed: run the same command again")


def _unreachable(error: OSError, folder: Path, parts: Sequence[str]) -> DataFetchError:
    names = " and ".join(ARCHIVES[part] for part in parts if not (folder / ARCHIVES[part]).is_file())
    return DataFetchError(
        f"IVM-Mix-1M cannot be downloaded here ({_first_line(error)}): download {names} of the data set {REPOSITORY} "
        f"elsewhere, put them into '{folder}' and run the same command again"
    )


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


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
