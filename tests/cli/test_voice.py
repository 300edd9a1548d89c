"""All commands speak alike: one name, short letter, text and place for an option, an example each, JSON for tables."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest
import typer

from ivm.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAM = typer.main.get_command(app)

TABLES = {
    "doctor", "models", "eval objects", "eval scenes", "eval masks", "eval lmm", "eval diff", "data stats",
    "data validate", "data leaks", "label run", "robot report", "train", "mask",
}  # fmt: skip
"""Commands whose results scripts want to read."""

SHORT = {
    "--output": "-o", "--model": "-m", "--workers": "-j", "--quiet": "-q", "--threshold": "-t", "--style": "-s",
    "--count": "-n", "--folder": "-f", "--upstream": "-u", "--help": "-h",
}  # fmt: skip
"""Each short letter stands for one option, whatever the command."""

LAST = ["--workers", "--json", "--quiet", "--debug"]
"""What stands at the end of every command's options, in this order."""

DIFFERENT = {
    "--output": "what is written there",
    "--images": "benchmarks have one folder of pictures, data sets one for each of their parts",
    "--scenes": "what the rendered tables are for",
    "--records": "of a shard, or to learn from",
    "--every": "frames between two questions, or at most between two key frames",
    "--questions": "about pictures of their own, or about one table",
    "--size": "tables are oblong, a robot's pictures square",
    "--dtype": "of a model that runs, or of files that are written",
    "--style": "a proxy has more pictures, and a header for each",
    "--max-requests": "a proxy counts only those with pictures",
    "--quiet": "a training tells where the checkpoint is all the same",
    "--timeout": "of an answer, or of the server behind",
    "--arm": "train takes all arms, rollout one",
}
"""Options whose text may differ between commands, and why."""


def tree(command, path=()):
    """All commands by their path; "" is `ivm` itself."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from tree(child, (*path, name))


ALL = dict(tree(PROGRAM))
LEAVES = {path: command for path, command in ALL.items() if not getattr(command, "commands", None) or path == "models"}


def options(command):
    return [one for one in command.params if one.param_type_name == "option"]


def examples(command) -> list[str]:
    """Lines of `ivm` below "Example:" or "Examples:" in a command's help."""
    text = "\n".join([command.help or "", command.epilog or ""])
    _, _, shown = text.partition("Example")
    return [line.strip() for line in re.findall(r"(?:^ *|: |; |\| |-- )(ivm [^;|>\n]+)", shown, flags=re.MULTILINE)]


def parsed(line: str) -> str:
    """The path of the command that a line calls; raises UsageError where it has no such option or argument."""
    words = shlex.split(line, comments=True)[1:]
    command, path = PROGRAM, []
    with command.make_context("ivm", words) as context:
        while getattr(command, "commands", None) and (rest := [*context._protected_args, *context.args]):
            name, command, words = command.resolve_command(context, rest)
            path.append(name)
            context = command.make_context(name, words, parent=context)
    return " ".join(path)


@pytest.mark.parametrize("path", LEAVES)
def test_help_says_what_a_command_does_and_shows_an_example(path):
    command = LEAVES[path]
    assert re.match(r"[A-Z].*[.:]", command.help.splitlines()[0]), "a sentence"
    assert (lines := examples(command)), "no example"
    assert any(line == f"ivm {path}" or line.startswith(f"ivm {path.removesuffix(' run')} ") for line in lines), lines


@pytest.mark.parametrize("path", LEAVES)
def test_examples_have_the_options_that_they_show(path):
    for line in examples(LEAVES[path]):
        parsed(line)


@pytest.mark.parametrize("path", LEAVES)
def test_every_parameter_is_explained(path):
    for one in LEAVES[path].params:
        if one.name == "help" or getattr(one, "hidden", False):
            continue
        assert one.help, one.name
        assert one.help.endswith((".", '."')), (one.name, one.help)
        assert one.param_type_name == "option" or one.metavar, f"{one.name} has no name in capitals"


def test_an_option_has_one_text_everywhere():
    texts = defaultdict(lambda: defaultdict(list))
    for path, command in ALL.items():
        for one in options(command):
            texts[max(one.opts, key=len)][one.help].append(path)
    unlike = {name: dict(by_text) for name, by_text in texts.items() if len(by_text) > 1}
    assert set(unlike) - set(DIFFERENT) == set(), {name: unlike[name] for name in set(unlike) - set(DIFFERENT)}
    assert set(DIFFERENT) <= set(unlike), f"alike by now: {set(DIFFERENT) - set(unlike)}"


def test_a_short_letter_means_one_option():
    for path, command in ALL.items():
        for one in options(command):
            name, letters = max(one.opts, key=len), [text for text in one.opts if not text.startswith("--")]
            assert letters in ([], [SHORT.get(name)]), (path, one.opts)
            assert name not in SHORT or letters, f"{path} {name} has no short letter"


@pytest.mark.parametrize("path", LEAVES)
def test_options_stand_in_one_order(path):
    names = [max(one.opts, key=len) for one in options(LEAVES[path])]
    assert names[-1] == "--debug"
    present = [name for name in LAST if name in names]
    assert names[len(names) - len(present) :] == present
    free = [max(one.opts, key=len) for one in options(LEAVES[path]) if not one.required or one.name == "output"]
    assert "--output" not in free or free[0] == "--output", free
    together = [name for name in ("--model", "--sam", "--llava", "--device") if name in names]
    if "--model" in together:
        start = names.index("--model")
        assert names[start : start + len(together)] == together


def test_tables_can_be_had_as_json():
    having = {path for path, command in ALL.items() if any("--json" in one.opts for one in options(command))}
    assert having == TABLES
    assert all(one.is_flag for path in having for one in options(ALL[path]) if "--json" in one.opts)


def documented() -> list[tuple[str, str]]:
    """Every line of a code block that calls `ivm`, with its page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^(?: {4}|)((?:\w+ [^|\n]*\| )?ivm [a-z].*)$", text, flags=re.MULTILINE):
            line = re.split(r" [>|] | {2,}#", line[line.index("ivm ") :])[0]
            found.append((page.name, line.strip()))
    return found


def test_lines_of_the_documentation_are_found():
    assert len(documented()) > 40


@pytest.mark.parametrize(("page", "line"), documented())
def test_the_documentation_calls_what_is_there(page, line):
    line = line.replace("[KEY=VALUE]...", "steps=1")
    path = parsed(line)
    assert path, f"{page}: {line}"
