"""Files and folders by path, or by hub id from the hub's cache or the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ivm.core.errors import CheckpointError, FetchError
from ivm.core.extras import optional
from ivm.core.hub import cached_folder, is_repository, repository_folder

IVM = "2toINF/IVM"
SAM = "facebook/sam-vit-huge"
LLAVA = "llava-hf/llava-1.5-7b-hf"

PATTERNS = ("*.json", "*.jinja", "tokenizer.model", "merges.txt", "model.safetensors", "model-*.safetensors")
"""Files to fetch of a repository; nothing that runs code is among them."""

Download = Callable[..., str]
"""As `huggingface_hub.snapshot_download`."""


def resolved(source: str | Path, *, download: Download | None = None) -> Path:
    """Return the path that a source means.

    Args:
        source: a file, a folder, or a hub id "owner/name", which is downloaded where the cache lacks it.
        download: in place of the hub's own.

    Raises:
        CheckpointError: there is no such file or folder, and it is no hub id.
        FetchError: it is neither in the cache nor to be had from the hub.
    """
    path = Path(source)
    if path.exists():
        return path
    repository = str(source)
    if not is_repository(repository) or path.suffix in (".bin", ".pt", ".pth", ".safetensors"):
        raise CheckpointError(f"There is no file or folder at {source}: check the path")
    patterns = ("IVM-V1.0.bin",) if repository == IVM else PATTERNS
    if download is None:
        download = optional("huggingface_hub", extra="full").snapshot_download
    try:
        folder = Path(download(repository, allow_patterns=list(patterns)))
    except Exception as error:  # the hub's client, its transport and the disk each have their own
        folder_or_none = cached_folder(repository)
        if folder_or_none is None:
            raise FetchError(
                f"{repository} is not in the cache and cannot be downloaded ({type(error).__name__}): put its "
                f"files in a folder here and give that, or copy the hub's cache to {repository_folder(repository)}"
            ) from error
        folder = folder_or_none
    return folder / "IVM-V1.0.bin" if repository == IVM else folder
