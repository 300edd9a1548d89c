"""What the pages hold: blocks of code with the heading and line they stand at, lines of commands, links."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SHELL = {"", "sh", "bash", "shell", "text"}

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}[^\n]*\n)+(?=\n|\Z)")
_REASON = re.compile(r"<!-- not run: (?P<reason>[^\n]+?) -->\s*\Z")
_GIVEN = re.compile(r"<!-- given: (?P<code>[^\n]+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """A block of code. A comment above may say why it is `not run`, or what is `given` before its first line."""

    page: str
    line: int
    language: str
    code: str
    not_run: str | None
    given: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, fenced and indented."""
    text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()
    found = []
    for match in _FENCE.finditer(text):
        indent = match["indent"]
        code = "".join(line.removeprefix(indent) for line in match["code"].splitlines(keepends=True))
        reason, given = _REASON.search(text[: match.start()]), _GIVEN.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        found.append(
            Block(name, line, match["language"], code, reason and reason["reason"], given["code"] if given else "")
        )
    rest = _FENCE.sub(lambda match: re.sub(r"[^\n]+", "", match[0]), text)
    for match in _INDENTED.finditer(rest):
        line = rest.count("\n", 0, match.start()) + 1
        code = "".join(line.removeprefix("    ") for line in match[0].splitlines(keepends=True))
        reason = _REASON.search(rest[: match.start()])
        found.append(Block(name, line, "", code, reason["reason"] if reason else None))
    return found


def commands(block: Block) -> list[list[str]]:
    """The words of each line of a block that a shell would take, comments and redirections away; pipes are parted."""
    if block.language not in SHELL:
        return []
    found: list[list[str]] = []
    for line in re.sub(r"\\\n", " ", block.code).splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # words of a language other than the shell's
        found += parted(words)
    return found


def parted(words: list[str]) -> list[list[str]]:
    """Split at pipes; drop redirections and variables set before a command."""
    one: list[str] = []
    found = [one]
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("|", "&&", ";"):
            one = []
            found.append(one)
        elif word in (">", "<", ">>", "2>"):
            skip = True
        elif one or not re.match(r"[A-Z_]+=", word):
            one.append(word)
    return [words for words in found if words]


def spans(page: Path) -> list[list[str]]:
    """Commands in the running text and in tables: `ivm`, `python -m` and `make` with a word more."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = []
    for span in re.findall(r"`((?:ivm|python -m|make) [^`]+)`", " ".join(text.split())):
        found += parted(shlex.split(span.replace("\\|", "|"), comments=True))
    return found
