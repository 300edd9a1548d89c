"""Files and folders by path, or by hub id from the hub's cache or the hub."""

from __future__ import annotations

import os
from pathlib import Path

from ivm.core.errors import CheckpointError
from ivm.core.hub import CONFIG, WEIGHTS, HubPart, is_repository
from ivm.models.fetch import fetch_missing
from ivm.models.ivm7b.reading import READER_NEEDS

Source = str | os.PathLike[str]
"""A file, a folder or a hub id."""

IVM = "2toINF/IVM"
SAM = "facebook/sam-vit-huge"
LLAVA = "llava-hf/llava-1.5-7b-hf"

TRAINED_FILE = "IVM-V1.0.bin"
"""The one file of `IVM`."""

SAM_NEEDS = (CONFIG, WEIGHTS)
LLAVA_NEEDS = (CONFIG, *READER_NEEDS, WEIGHTS)
"""As `core.hub.missing_files` reads them."""


def resolved(source: Source, needs: tuple[str, ...] = ()) -> Path:
    """Return the path that a source means.

    Args:
        source: a file, a folder, or a hub id "owner/name", which is downloaded where the cache lacks some of it.
        needs: files of that repository without which it is of no use here.

    Raises:
        CheckpointError: there is no such file or folder, and it is no hub id.
        FetchError: it is neither whole in the cache nor to be had from the hub.
    """
    path = Path(source)
    if path.exists():
        return path
    repository = os.fspath(source)
    if not is_repository(repository) or path.suffix in (".bin", ".pt", ".pth", ".safetensors"):
        raise CheckpointError(f"There is no file or folder at {source}: check the path")
    if repository == IVM:
        folder = fetch_missing(HubPart(repository=IVM, needs=(TRAINED_FILE,), files=(TRAINED_FILE,)))
        return folder / TRAINED_FILE
    return fetch_missing(HubPart(repository=repository, needs=needs))
