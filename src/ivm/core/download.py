"""Files of the hub, brought here whole: what came before an interruption is used again, and checksums are the hub's.

huggingface_hub lists, names and transfers the files, and shows the progress on standard error. What it leaves out is
done here: a file gets its name only when its checksum is the hub's, and what has come so far outlives the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

from ivm.core.errors import DataFetchError, DiskFullError, FetchError, OutputError
from ivm.core.extras import optional
from ivm.core.files import output_error
from ivm.core.hub import is_offline

Kind = Literal["model", "dataset"]
"""What the hub calls a repository."""

_CALLED = {"model": "model", "dataset": "data set"}
_EXTRA = {"model": "full", "dataset": "data"}
_ERROR: dict[str, type[FetchError | DataFetchError]] = {"model": FetchError, "dataset": DataFetchError}
_CHUNK = 1 << 22
_SHA256, _GIT = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


class RemoteFile(NamedTuple):
    """One file as the hub describes it."""

    name: str
    url: str
    checksum: str
    """SHA-256 of a large file, git's SHA-1 of a small one."""
    size: int


class Hub(Protocol):
    """Where the files of one repository come from; a fake in tests."""

    @property
    def repository(self) -> str:
        """Its name, "owner/name"."""
        ...

    @property
    def kind(self) -> Kind:
        """What it holds; errors are of that kind too."""
        ...

    def listing(self, wanted: Callable[[str], bool]) -> tuple[str, list[RemoteFile]]:
        """Return the newest commit, and those of its files whose names are wanted."""
        ...

    def transfer(self, file: RemoteFile, out: BinaryIO) -> None:
        """Append to `out` what it lacks of the file."""
        ...


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """The real one; `HF_ENDPOINT` names another host, `HF_HUB_OFFLINE` forbids to ask it."""

    repository: str
    """"owner/name"."""
    kind: Kind = "model"

    def listing(self, wanted: Callable[[str], bool]) -> tuple[str, list[RemoteFile]]:
        """See `Hub`; raises what huggingface_hub raises, for `hub_errors`."""
        hub = optional("huggingface_hub", extra=_EXTRA[self.kind])
        if is_offline():
            raise ConnectionError("HF_HUB_OFFLINE is set")
        told = hub.HfApi().repo_info(self.repository, repo_type=self.kind, revision="main")
        files = []
        for name in sorted(file.rfilename for file in told.siblings or [] if wanted(file.rfilename)):
            url = hub.hf_hub_url(self.repository, name, repo_type=self.kind, revision=told.sha)
            about = hub.get_hf_file_metadata(url)
            checksum = about.etag or ""
            if about.size is None or not (_SHA256.fullmatch(checksum) or _GIT.fullmatch(checksum)):
                raise _ERROR[self.kind](
                    f"The hub gives no size and checksum of {name} in {self.repository}: use another endpoint"
                )
            files.append(RemoteFile(name, url, checksum, about.size))
        return str(told.sha), files

    def transfer(self, file: RemoteFile, out: BinaryIO) -> None:
        """See `Hub`; raises what huggingface_hub raises, for `hub_errors`."""
        optional("huggingface_hub.file_download").http_get(
            file.url,
            out,
            resume_size=out.tell(),
            headers=optional("huggingface_hub.utils").build_hf_headers(),
            expected_size=file.size,
            displayed_filename=f"{self.repository}/{file.name}",
        )


def download(hub: Hub, file: RemoteFile, place: Path) -> None:
    """Fetch the bytes that are still missing, verify all, and only then give the file its name.

    Args:
        hub: where it comes from.
        file: which one.
        place: where it goes, in a folder that exists; until it is whole it is called `place` with ".part" behind.

    Raises:
        FetchError: it arrived damaged; DataFetchError where it belongs to a data set. Nothing is kept of it.
    """
    part = _part_of(place)
    if part.is_file() and part.stat().st_size > file.size:
        part.unlink()
    with part.open("ab") as out:
        hub.transfer(file, out)
    if not is_whole(part, file):
        part.unlink()
        raise _ERROR[hub.kind](
            f"{file.name} of {hub.repository} arrived damaged, its checksum is not {file.checksum[:12]}...: nothing "
            "was kept of it, so fetch it again"
        )
    part.replace(place)


def still_to_come(file: RemoteFile, place: Path) -> int:
    """How many bytes of a file `download` has yet to store for a place."""
    part = _part_of(place)
    return max(file.size - part.stat().st_size, 0) if part.is_file() else file.size


def _part_of(place: Path) -> Path:
    """What a file is called until it is whole."""
    return place.with_name(f"{place.name}.part")


def is_whole(path: Path, file: RemoteFile) -> bool:
    """Whether a file's content has the hub's size and checksum."""
    size = path.stat().st_size
    if size != file.size:
        return False
    digest: Any = hashlib.sha256() if len(file.checksum) == 64 else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return bool(digest.hexdigest() == file.checksum)


def require_space(what: str, size: int, folder: Path, remedy: str) -> None:
    """Refuse before the disk is full, not when.

    Args:
        what: is to be stored.
        size: bytes that it needs yet.
        folder: where; it exists.
        remedy: what else can be done than to free some space, as "name another folder in HF_HUB_CACHE".

    Raises:
        DiskFullError: it does not fit.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DiskFullError(
            f"{what} needs {_in_units(size)} more in {folder}, where {_in_units(free)} are free: free some, or {remedy}"
        )


@contextlib.contextmanager
def hub_errors(hub: Hub, what: str, missing: Callable[[], str], remedy: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence.

    Args:
        hub: that is asked inside.
        what: is fetched.
        missing: returns which of its files are not here.
        remedy: what to do where the hub cannot be reached, other than to try again.

    Raises:
        FetchError: the hub cannot be reached, or has no such repository; DataFetchError for a data set.
    """
    errors = optional("huggingface_hub.errors", extra=_EXTRA[hub.kind])
    named = _ERROR[hub.kind]
    try:
        yield
    except (FetchError, DataFetchError, OutputError):
        raise
    except errors.GatedRepoError:
        raise named(
            f"{hub.repository} is given only to those who accepted its licence: do that on its page on the hub, then "
            "log in with: hf auth login"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError):
        raise named(f"The hub has no {_CALLED[hub.kind]} {hub.repository}: check its owner and name") from None
    except (errors.EntryNotFoundError, errors.HTTPError, OSError) as error:
        raise named(
            f"{what} cannot be fetched ({_reason(error)}; missing here: {missing()}): run the same command again, it "
            f"goes on where it stopped, or {remedy}"
        ) from error


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """Tell a full disk or a folder that cannot be written from a hub that cannot be reached.

    Raises:
        OutputError: `path` cannot be written; DiskFullError where no space is left.
    """
    errors = optional("huggingface_hub.errors")
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError | ConnectionError | errors.HTTPError) or error.errno is None:
            raise
        raise output_error(path, error) from error


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:160].rstrip(" .:") or type(error).__name__


def _in_units(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
