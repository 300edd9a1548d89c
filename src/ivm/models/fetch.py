"""Downloading published models into the hub's cache: verified, and going on where an earlier run was stopped.

huggingface_hub lists, names and transfers the files. What it leaves out is done here: a file enters the cache only when
its checksum is the hub's, and what has come so far outlives the process. A repository counts as fetched when its last
file is in place; until then an older, complete copy stays the valid one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from ivm.core.errors import DiskFullError, FetchError, OutputError
from ivm.core.extras import optional
from ivm.core.files import output_error, write_files
from ivm.core.hub import HubPart, cache_root, missing_files, repository_folder

_CHUNK = 1 << 22
_SHA256, _GIT = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


class _RemoteFile(NamedTuple):
    """One file as the hub describes it."""

    name: str
    url: str
    checksum: str
    """SHA-256 of a large file, git's SHA-1 of a small one; the cache stores the content under this name."""
    size: int


def fetch_missing(part: HubPart) -> Path:
    """Return the folder of a part in the cache; download only where it is not complete, so mostly without a network.

    Raises:
        FetchError: files are missing and cannot be had.
        MissingExtraError: huggingface_hub is not installed.
    """
    folder = part.folder()
    if folder is not None and not part.missing():
        return folder
    return fetch(part)


def fetch(part: HubPart) -> Path:
    """Download a part of a model, or check it where it is here already; progress goes to standard error.

    Args:
        part: the repository, and which of its files.

    Returns:
        The folder with the files, in the cache.

    Raises:
        FetchError: the hub is offline or has no such files, the connection broke for good (another call goes on from
            there), or a file is not what its checksum says.
        DiskFullError: the files do not fit onto the disk.
        OutputError: the cache cannot be written.
        MissingExtraError: huggingface_hub is not installed.
    """
    optional("huggingface_hub")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise _unreachable(part, "HF_HUB_OFFLINE is set")
    with _hub_errors(part):
        commit, files = _listed(part)
        check_space(part.repository, sum(file.size for file in files))
        for file in files:
            _bring(part, commit, file)
    home = repository_folder(part.repository)
    write_files([(home / "refs" / "main", commit.encode())])
    folder = home / "snapshots" / commit
    if missing := missing_files(folder, part.needs):
        raise FetchError(f"{part.repository} on the hub has no {', no '.join(missing)}: it cannot be used here")
    return folder


def _listed(part: HubPart) -> tuple[str, list[_RemoteFile]]:
    """The newest commit, and the files of it that are wanted."""
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url

    told = HfApi().model_info(part.repository, revision="main")
    names = [file.rfilename for file in told.siblings or []]
    files = []
    for name in sorted(name for name in names if "/" not in name and any(fnmatch(name, p) for p in part.files)):
        url = hf_hub_url(part.repository, name, revision=told.sha)
        about = get_hf_file_metadata(url)
        checksum = about.etag or ""
        if about.size is None or not (_SHA256.fullmatch(checksum) or _GIT.fullmatch(checksum)):
            raise FetchError(f"The hub gives no size and checksum of {name} in {part.repository}: use another endpoint")
        files.append(_RemoteFile(name, url, checksum, about.size))
    return str(told.sha), files


def check_space(repository: str, size: int) -> None:
    """Refuse before the disk is full, not when.

    Args:
        repository: what the cache holds of it already needs no more space.
        size: bytes of all its files.

    Raises:
        DiskFullError: they do not fit.
        OutputError: the cache cannot be written.
    """
    root = cache_root()
    with _written(root):
        root.mkdir(parents=True, exist_ok=True)
        blobs = repository_folder(repository) / "blobs"
        here = sum(file.stat().st_size for file in blobs.iterdir()) if blobs.is_dir() else 0
        free = shutil.disk_usage(root).free
    if size - here > free:
        raise DiskFullError(
            f"{repository} needs {_told(size - here)} more in {root}, where {_told(free)} are free: free some, or name "
            "another folder in HF_HUB_CACHE"
        )


def _bring(part: HubPart, commit: str, file: _RemoteFile) -> None:
    """Put one file into the cache, unless it is there, whole."""
    from huggingface_hub import hf_hub_download

    utils = optional("huggingface_hub.utils")
    home = repository_folder(part.repository)
    stored, placed = home / "blobs" / file.checksum, home / "snapshots" / commit / file.name
    lock = cache_root() / ".locks" / home.name / f"{file.checksum}.ivm.lock"
    with _written(home):
        for folder in (stored.parent, lock.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with utils.WeakFileLock(lock):
            for known in (stored, placed):
                # Where the system has links, `placed` is one to `stored`: the same bytes need no second look.
                if known.is_file() and not known.is_symlink() and not _is_whole(known, file):
                    known.unlink()
            if not stored.exists() and not placed.is_file():
                placed.unlink(missing_ok=True)  # a link to content that is gone
                _download(part.repository, file, stored)
    hf_hub_download(part.repository, file.name, revision=commit, cache_dir=cache_root())


def _download(repository: str, file: _RemoteFile, stored: Path) -> None:
    """Fetch the bytes that are still missing, verify all, and only then give the file its name."""
    from huggingface_hub.file_download import http_get

    headers = optional("huggingface_hub.utils").build_hf_headers()
    part = stored.with_name(f"{file.checksum}.part")
    if part.is_file() and part.stat().st_size > file.size:
        part.unlink()
    with part.open("ab") as out:
        http_get(
            file.url,
            out,
            resume_size=out.tell(),
            headers=headers,
            expected_size=file.size,
            displayed_filename=f"{repository}/{file.name}",
        )
    if not _is_whole(part, file):
        part.unlink()
        raise FetchError(
            f"{file.name} of {repository} arrived damaged, its checksum is not {file.checksum[:12]}...: nothing was "
            "kept of it, so fetch it again"
        )
    part.replace(stored)


def _is_whole(path: Path, file: _RemoteFile) -> bool:
    """Whether a file's content has the hub's checksum."""
    size = path.stat().st_size
    digest: Any = hashlib.sha256() if len(file.checksum) == 64 else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return size == file.size and digest.hexdigest() == file.checksum


@contextlib.contextmanager
def _hub_errors(part: HubPart) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence."""
    errors = optional("huggingface_hub.errors")
    try:
        yield
    except (FetchError, OutputError):
        raise
    except errors.GatedRepoError:
        raise FetchError(
            f"{part.repository} is given only to those who accepted its licence: do that on its page on the hub, then "
            "log in with: hf auth login"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError):
        raise FetchError(f"The hub has no model {part.repository}: check its owner and name") from None
    except errors.EntryNotFoundError as error:
        raise _unreachable(part, _reason(error)) from error
    except (errors.HTTPError, OSError) as error:
        raise _unreachable(part, _reason(error)) from error


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    """Tell a full disk or a cache that cannot be written from a hub that cannot be reached."""
    errors = optional("huggingface_hub.errors")
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError | ConnectionError | errors.HTTPError) or error.errno is None:
            raise
        raise output_error(path, error) from error


def _unreachable(part: HubPart, reason: str) -> FetchError:
    missing = ", ".join(part.missing()) or "nothing, but that could not be checked"
    return FetchError(
        f"{part.repository} cannot be fetched ({reason}; missing here: {missing}): run the same command again, it goes "
        f"on where it stopped, or copy the folder {repository_folder(part.repository).name} from the hub cache of a "
        f"machine that has it into {cache_root()}"
    )


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:160].rstrip(" .:") or type(error).__name__


def _told(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
