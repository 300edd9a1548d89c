"""Answers on disk by what was asked: one SQLite file that several processes may use at once.

It holds answers as JSON and how many tokens were ever paid; neither questions nor pictures nor keys are in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ivm.core.errors import OutputError
from ivm.lmm.answers import TokenUsage

_TABLES = """
create table if not exists answers (key text primary key, answer text not null) without rowid;
create table if not exists paid (prompt integer not null, completion integer not null);
"""
_BUSY_S = 60
"""Longest wait for another process that writes; a write takes milliseconds."""


def key_of(question: Mapping[str, Any]) -> str:
    """Name a question by its content: SHA-256 of its canonical JSON, pictures included, in hexadecimal."""
    return hashlib.sha256(json.dumps(question, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class AnswerCache:
    """Answers by key; every write is whole or not there. A context manager."""

    def __init__(self, path: str | Path) -> None:
        """Open or make the file, on a disk of this machine: SQLite's locks are not safe on a network's.

        Raises:
            OutputError: it cannot be opened, or is no such file.
        """
        self.path = Path(path)
        self._lock = threading.Lock()
        with self._named():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=8
            )
            try:
                self._file.execute("pragma journal_mode=wal")
                self._file.execute("pragma synchronous=normal")
                self._file.executescript(_TABLES)
            except BaseException:
                self._file.close()
                raise

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer to a question, or None.

        Raises:
            OutputError: the file is damaged.
        """
        with self._lock, self._named():
            row = self._file.execute("select answer from answers where key = ?", (key,)).fetchone()
        if row is None:
            return None
        answer: dict[str, Any] = json.loads(row[0])
        return answer

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer; what another process has kept meanwhile is replaced by its equal.

        Raises:
            OutputError: it cannot be written.
        """
        text = json.dumps(answer, ensure_ascii=False)
        with self._lock, self._named():
            self._file.execute("insert or replace into answers values (?, ?)", (key, text))

    def pay(self, usage: TokenUsage) -> None:
        """Note tokens that were paid, whether their answer was of use or not.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock, self._named():
            self._file.execute("insert into paid values (?, ?)", (usage.prompt, usage.completion))

    def paid(self) -> TokenUsage:
        """All tokens that were ever paid for this file's answers, by any process.

        Raises:
            OutputError: the file is damaged.
        """
        with self._lock, self._named():
            row = self._file.execute("select total(prompt), total(completion) from paid").fetchone()
        return TokenUsage(prompt=int(row[0]), completion=int(row[1]))

    def __len__(self) -> int:
        with self._lock, self._named():
            return int(self._file.execute("select count(*) from answers").fetchone()[0])

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise OutputError(
                f"The cache of answers '{self.path}' cannot be used ({error}): remove it, or choose another file"
            ) from error
