"""Every command on a page is one: `ivm` lines are read by the command itself, modules and make targets are there."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.exceptions import TyperException

from docs.pages import DOCS, PAGES, ROOT, blocks, commands, spans
from ivm.cli.app import app
from ivm.inference.zoo import EMBEDDED

TREE = typer.main.get_command(app)
MORE = re.compile(r"[A-Z]+|\.\.\.")
"""In running text: a word that stands for others, and so is none that a command could judge."""

needs_weights = pytest.mark.skipif(
    not (EMBEDDED / "ivm-nano" / "model.json").is_file(), reason="the weights of ivm-nano are not in the package"
)


def read(words: list[str], *, whole: bool = True) -> None:
    """Let the command read its words, as far as before it would run; `whole`: required words must be there, too."""
    command, name, parent = TREE, "ivm", None
    if not whole:
        words = [word for word in words if not MORE.fullmatch(word)]
    while True:
        takes = hasattr(command, "commands")
        context = command.make_context(name, list(words), parent=parent, resilient_parsing=not whole)
        rest = [*context._protected_args, *context.args] if takes else []
        if not takes or not rest:
            if not whole:  # what is not complete is still held against the options that there are
                options = {text for one in command.params for text in (*one.opts, *one.secondary_opts)} | {
                    "--help",
                    "-h",
                }
                unknown = [word for word in words if word.startswith("-") and word not in options and word != "-"]
                assert not unknown, f"no options of {context.command_path}: {unknown}"
            return
        name, command, words = command.resolve_command(context, rest)
        assert command is not None
        parent = context


def lines() -> list[tuple[str, list[str]]]:
    return [(str(block), words) for page in PAGES for block in blocks(page) for words in commands(block)]


LINES = lines()
IVM = [(where, words) for where, words in LINES if words[0] == "ivm" and len(words) > 1]
SPANS = [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in spans(page)]


def test_there_is_something_to_check():
    assert len(IVM) > 100
    assert len(SPANS) > 30


@pytest.mark.parametrize(
    ("where", "words"), IVM, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_line_of_ivm_is_read(where, words, monkeypatch):
    monkeypatch.chdir(ROOT)
    read(words[1:])


@pytest.mark.parametrize(
    ("page", "words"),
    [(page, words) for page, words in SPANS if words[0] == "ivm" and len(words) > 1],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_command_in_the_text_is_read(page, words):
    read(words[1:], whole=False)


@pytest.mark.parametrize("words", [["mask", "a.jpg", "cup", "--nope"], ["maks"], ["eval", "lmm", "no-suite", "x"]])
def test_what_is_no_command_is_seen(words):
    with pytest.raises(TyperException):
        read(words)


def modules() -> list[tuple[str, list[str]]]:
    found = {}
    for where, words in [*LINES, *SPANS]:
        if words[:2] == ["python", "-m"] and len(words) > 2:
            found[" ".join(words)] = (where, words[2:])
    return list(found.values())


@pytest.mark.parametrize(("where", "words"), modules(), ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_module_is_there_and_knows_its_options(where, words):
    name, *options = words
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    assert spec is not None, f"{where}: there is no module {name}"
    if name == "benchmarks":
        named = [word for word in options if not word.startswith("-") and word not in ("all", "NAME")]
        there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
        assert set(named) <= there, where
        options = [word for word in options if word.startswith("-")]
    if name.startswith("ivm.evaluation.plugins"):
        return  # it hands all options on to the harness that it starts
    text = "\n".join(sources(spec))
    for option in options:
        if option.startswith("-"):
            assert f'"{option}"' in text, f"{where}: {name} has no option {option}"


def sources(spec: importlib.machinery.ModuleSpec) -> list[str]:
    """The module's own text and, of a package, that of its files: arguments are not parsed without importing much."""
    folders = list(spec.submodule_search_locations or ())
    files = Path(folders[0]).glob("*.py") if folders else [Path(str(spec.origin))]
    return [file.read_text(encoding="utf-8") for file in files]


def test_make_targets_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {words[1]: where for where, words in [*LINES, *SPANS] if words[0] == "make" and len(words) > 1}
    assert {"demo", "test", "story", "bench"} <= set(asked)
    assert {name: where for name, where in asked.items() if name not in targets} == {}


@pytest.mark.parametrize(
    "path",
    sorted({word for _, words in LINES for word in words if re.match(r"(recipes|deploy|scripts|examples)/", word)}),
)
def test_a_file_of_the_project_is_there(path):
    assert (ROOT / path).exists()


QUICK = [
    block
    for page in [*sorted((DOCS / "tasks").glob("*.md")), DOCS / "index.md"]
    for block in blocks(page)
    if block.language == "sh"
]


@needs_weights
@pytest.mark.parametrize("page", sorted({block.page for block in QUICK}))
def test_the_quick_commands_run(place, page):
    """Blocks of a page marked `sh` run in their order; `text` marks what needs more than the base install."""
    script = "\n".join(block.code for block in QUICK if block.page == page)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script], check=True, timeout=200, env=os.environ | {"PATH": path}
    )
