"""Reading the folders that transformers writes: every mistake is one clear error, and nothing in them is run.

Weights come from safetensors only. A folder's own code is never imported: the classes are named here.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ivm.core.errors import CheckpointError, FetchError, UnknownModelError
from ivm.core.extras import optional
from ivm.core.hub import CONFIG, HubPart, is_repository, missing_files
from ivm.models.experts.runtime import Runtime

_CONSTANTS = ("position_ids",)
"""Numbers from 0 upwards that old versions of transformers stored; a checkpoint may still hold them."""


def folder_of(source: str, needs: Sequence[str]) -> Path:
    """Return the complete folder that a path or a hub id means, after a download where that is needed.

    Args:
        source: a folder, or "owner/name" on the hub.
        needs: files that must be there, as `core.hub.missing_files` reads them.

    Raises:
        UnknownModelError: neither a folder nor of a hub id's form.
        CheckpointError: the folder lacks files.
        FetchError: there is no such folder, and the hub's files are not here, and cannot be fetched.
    """
    folder = Path(source)
    if folder.is_dir():
        if missing := missing_files(folder, needs):
            raise CheckpointError(
                f"{source} holds no {', no '.join(missing)}: give a folder that transformers' save_pretrained wrote, "
                "for the model and for its processor"
            )
        return folder
    if folder.exists() or not is_repository(source):
        raise UnknownModelError(f"{source} is neither a folder nor a hub id of the form owner/name: check the path")
    from ivm.models.fetch import fetch_missing

    try:
        return fetch_missing(HubPart(repository=source, needs=tuple(needs)))
    except FetchError as error:
        raise FetchError(f"There is no folder {source}, and as a hub id: {error}") from error


def read_model_type(folder: Path) -> str:
    """Return what `config.json` calls the architecture, "owlv2" for example.

    Raises:
        CheckpointError: there is no such file, or it does not say.
    """
    path = folder / CONFIG
    try:
        kind = json.loads(path.read_bytes())["model_type"]
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no {CONFIG}: give a folder that save_pretrained wrote") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f'{path} is damaged or names no "model_type": get the folder again') from None
    if not isinstance(kind, str):
        raise CheckpointError(f'{path} has a "model_type" that is no text: get the folder again')
    return kind


def read_model(folder: Path, architecture: str, runtime: Runtime) -> Any:
    """Build a network of transformers with the weights of a folder, ready to answer.

    Args:
        folder: complete.
        architecture: a class of transformers, "SamModel" for example.
        runtime: where it goes.

    Raises:
        CheckpointError: the weights are damaged, or missing, unexpected or of another shape; they are listed.
        MissingExtraError: transformers is not installed.
    """
    transformers = optional("transformers")
    with _damage(folder), _quiet():
        model, told = getattr(transformers, architecture).from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            dtype=runtime.dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told then, and refused below
        )
    unexpected = [key for key in told["unexpected_keys"] if not key.endswith(_CONSTANTS)]
    wrong = {"lacks": told["missing_keys"], "has too many:": unexpected, "has other shapes:": told["mismatched_keys"]}
    for what, keys in wrong.items():
        if keys:
            names = sorted(str(key) for key in keys)
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            raise CheckpointError(
                f"The weights in {folder} do not fit {architecture}: it {what} {', '.join(names[:5])}{more}; "
                "get the folder again, or the one of this architecture"
            )
    return model.to(runtime.device).eval()


def read_processor(folder: Path, name: str) -> Any:
    """Load the part that makes a network's input from pictures and text.

    Args:
        folder: complete.
        name: a class of transformers, "SamProcessor" for example.

    Raises:
        CheckpointError: its files are damaged, or of another kind.
        MissingExtraError: transformers, or a package that this processor needs, is not installed.
    """
    transformers = optional("transformers")
    with _damage(folder), _quiet():
        return getattr(transformers, name).from_pretrained(folder, local_files_only=True)


@contextlib.contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Turn whatever transformers raises about a folder's content into one sentence."""
    safetensors = optional("safetensors")
    try:
        yield
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"The weights in {folder} are cut short or damaged ({error}): get them again") from None
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{folder} is damaged or of another architecture ({reason}): get it again") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from writing reports and bars: what matters is raised instead."""
    settings = optional("transformers.utils.logging")
    logger, bars = logging.getLogger("transformers"), settings.is_progress_bar_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    settings.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            settings.enable_progress_bar()
