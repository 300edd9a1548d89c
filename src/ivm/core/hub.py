"""Which published models this machine already holds: the hub's cache, read without the hub and without its library.

The cache is the one that huggingface_hub keeps: what other programs have downloaded counts, and the other way round.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json|processor_config.json"
TOKENIZER = "tokenizer.json|vocab.json+merges.txt|vocab.txt"
INDEX = "model.safetensors.index.json"
WEIGHTS = f"model.safetensors|{INDEX}"
"""Needs: "|" parts what may stand for one another, "+" joins what belongs together."""

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class HubPart:
    """What a model takes from one repository of the hub."""

    repository: str
    """"owner/name"."""
    needs: tuple[str, ...]
    """Files that must be there, as `missing_files` reads them."""
    files: tuple[str, ...] = (
        "*.json", "*.jinja", "merges.txt", "vocab.txt", "tokenizer.model", "model.safetensors", "model-*.safetensors"
    )  # fmt: skip
    """Patterns of the files to fetch; nothing that runs code is among them."""

    def folder(self) -> Path | None:
        """Where this part lies, if it was ever fetched; it may be incomplete."""
        return cached_folder(self.repository)

    def missing(self) -> list[str]:
        """What the cache lacks of this part; empty where it is complete."""
        return missing_files(self.folder(), self.needs)


def is_repository(source: str) -> bool:
    """Whether a text has the form "owner/name" of a repository on the hub."""
    return _REPOSITORY.fullmatch(source) is not None and ".." not in source


def cache_root() -> Path:
    """The folder of the hub's cache; `HF_HUB_CACHE`, `HF_HOME` and `XDG_CACHE_HOME` move it."""
    named = os.path.expandvars(os.environ.get("HF_HUB_CACHE", ""))
    if named:
        return Path(named).expanduser()
    home = os.path.expandvars(os.environ.get("HF_HOME", ""))
    if home:
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` forbids to ask the hub; these words are huggingface_hub's own."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def repository_folder(repository: str) -> Path:
    """Where the cache keeps a repository, there or not."""
    return cache_root() / f"models--{repository.replace('/', '--')}"


def cached_folder(repository: str) -> Path | None:
    """The files of a repository's main branch as they were fetched last, or None."""
    home = repository_folder(repository)
    try:
        commit = (home / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    folder = home / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


def missing_files(folder: Path | None, needs: Sequence[str]) -> list[str]:
    """Name what a model's folder lacks.

    Args:
        folder: None lacks everything.
        needs: names of files; in each, "|" parts alternatives and "+" joins what belongs together. Where
            `model.safetensors.index.json` meets a need, the files that it lists must be there as well.

    Returns:
        One text a need that is not met, for people: "preprocessor_config.json or processor_config.json".
    """
    if folder is None:
        return [_in_words(need) for need in needs]
    missing = []
    for need in needs:
        met = next((names for names in _alternatives(need) if all((folder / name).is_file() for name in names)), None)
        if met is None:
            missing.append(_in_words(need))
        elif INDEX in met:
            missing += [name for name in _shards(folder / INDEX) if not (folder / name).is_file()]
    return missing


def _alternatives(need: str) -> list[list[str]]:
    return [names.split("+") for names in need.split("|")]


def _in_words(need: str) -> str:
    return " or ".join(" and ".join(names) for names in _alternatives(need))


def _shards(index: Path) -> list[str]:
    """The files over which weights are spread; a damaged index names itself."""
    try:
        names = json.loads(index.read_bytes())["weight_map"].values()
        return sorted(name for name in set(names) if isinstance(name, str) and Path(name).name == name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [f"a readable {index.name}"]
