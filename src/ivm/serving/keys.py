"""API keys, from a file or the environment, compared in a time that tells nothing of them."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ivm.core.errors import OptionError

VARIABLE = "IVM_API_KEYS"
"""Environment variable with keys, split by commas or white space."""

SHORTEST = 16
"""Characters that a key has at least; a shorter one could be found by trying."""


class KeyRing:
    """The keys that open a server; an empty ring leaves it open to all."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Take keys.

        Raises:
            OptionError: a key is short, or holds characters that a header cannot.
        """
        self._digests = []
        for number, key in enumerate(keys, start=1):
            if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
                raise OptionError(
                    f"API key {number} must have at least {SHORTEST} ASCII characters and no space: make one with "
                    "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
                )
            self._digests.append(_digest(key))

    def __bool__(self) -> bool:
        return bool(self._digests)

    def opens(self, key: str) -> bool:
        """Whether a key is on the ring; takes as long for a wrong one as for a right one."""
        presented = _digest(key)
        found = False
        for digest in self._digests:  # no early end: the time must not tell which key came near
            found |= hmac.compare_digest(digest, presented)
        return found


def load_keys(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> KeyRing:
    """Read keys from a file, one a line ("#" begins a comment), and from `IVM_API_KEYS`.

    Raises:
        OptionError: the file cannot be read or names no key, or a key is unusable.
    """
    keys = environment.get(VARIABLE, "").replace(",", " ").split()
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"The file of API keys {file} cannot be read: {error}") from None
        written = [key for line in lines if (key := line.partition("#")[0].strip())]
        if not written:  # else a server would stand open that was meant to be locked
            raise OptionError(f"The file of API keys {file} names no key: write one a line, or leave the option away")
        keys += written
    return KeyRing(keys)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
