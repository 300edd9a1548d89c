"""Downloading published models into the hub's cache, whose layout other programs share.

A repository counts as fetched when its last file is in place; until then an older, complete copy stays the valid one.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from ivm.core.download import HuggingFace, RemoteFile, download, hub_errors, is_whole, require_space, written
from ivm.core.errors import FetchError
from ivm.core.extras import optional
from ivm.core.files import write_files
from ivm.core.hub import HubPart, cache_root, missing_files, repository_folder


def fetch_missing(part: HubPart) -> Path:
    """Return the folder of a part in the cache; download only where it is not complete, so mostly without a network.

    Raises:
        FetchError: files are missing and cannot be had.
        OutputError: the cache cannot be written; DiskFullError where they do not fit onto the disk.
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
    hub, home = HuggingFace(part.repository), repository_folder(part.repository)
    remedy = f"copy the folder {home.name} from the hub cache of a machine that has it into {cache_root()}"

    def lacking() -> str:
        return ", ".join(part.missing()) or "nothing, but that could not be checked"

    with hub_errors(hub, part.repository, lacking, remedy):
        commit, files = hub.listing(lambda name: "/" not in name and any(fnmatch(name, p) for p in part.files))
        check_space(part.repository, sum(file.size for file in files))
        for file in files:
            _bring(hub, commit, file)
    write_files([(home / "refs" / "main", commit.encode())])
    folder = home / "snapshots" / commit
    if missing := missing_files(folder, part.needs):
        raise FetchError(f"{part.repository} on the hub has no {', no '.join(missing)}: it cannot be used here")
    return folder


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
    with written(root):
        root.mkdir(parents=True, exist_ok=True)
        blobs = repository_folder(repository) / "blobs"
        here = sum(file.stat().st_size for file in blobs.iterdir()) if blobs.is_dir() else 0
        require_space(repository, size - here, root, "name another folder in HF_HUB_CACHE")


def _bring(hub: HuggingFace, commit: str, file: RemoteFile) -> None:
    """Put one file into the cache, unless it is there, whole."""
    home = repository_folder(hub.repository)
    stored, placed = home / "blobs" / file.checksum, home / "snapshots" / commit / file.name
    lock = cache_root() / ".locks" / home.name / f"{file.checksum}.ivm.lock"
    with written(home):
        for folder in (stored.parent, lock.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with optional("huggingface_hub.utils").WeakFileLock(lock):
            for known in (stored, placed):
                # Where the system has links, `placed` is one to `stored`: the same bytes need no second look.
                if known.is_file() and not known.is_symlink() and not is_whole(known, file):
                    known.unlink()
            if not stored.exists() and not placed.is_file():
                placed.unlink(missing_ok=True)  # a link to content that is gone
                download(hub, file, stored)
    optional("huggingface_hub").hf_hub_download(hub.repository, file.name, revision=commit, cache_dir=cache_root())
