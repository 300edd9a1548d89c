"""TAB in a real shell: what `ivm --install-completion` brings completes commands, names and files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(
    not (BIN / "ivm").exists() or not shutil.which("bash"), reason="needs the command ivm beside Python, and bash"
)

COMPLETED = {
    "ivm mod": ["models"],
    "ivm doctor --on": ["--online"],
    "ivm mask a.jpg cup --model owl": ["owlv2"],
    "ivm models fetch flo": ["florence2"],
    "ivm mask a.jpg cup --style he": ["heatmap"],
    "ivm serve --device c": ["cpu", "cuda"],
    "ivm proxy --mode orig": ["original+crop"],
    "ivm eval lmm vstar x --view crop-": ["crop-highlight", "crop-blur"],
    "ivm robot rollout r.yaml --level dis": ["distractors"],
    # Nothing, so that the shell offers files:
    "ivm train recipes/": [],
    "ivm label recipes/": [],
    "ivm mask a.jpg cup --model runs/": [],
}


def bash(place: Path, script: str) -> str:
    """What a script prints, run by bash with an empty home and the command `ivm` on its path."""
    variables = {"HOME": str(place), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-eu"], input=script, capture_output=True, text=True, env=os.environ | variables, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """What TAB offers after each line of `COMPLETED`, in one shell in which completion was installed."""
    place = tmp_path_factory.mktemp("home")
    script = ["ivm --install-completion > installed.txt", "source ~/.bashrc", "complete -p ivm > registered.txt"]
    for line in COMPLETED:
        words = line.split()
        script += [
            f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()",
            "_ivm_completion ivm",
            'echo "${COMPREPLY[@]-}"',
        ]
    shown = bash(place, "\n".join([f"cd {place}", *script])).splitlines()
    assert "-o default" in (place / "registered.txt").read_text(), "files where nothing else is offered"
    return dict(zip(COMPLETED, (line.split() for line in shown), strict=True))


@pytest.mark.parametrize("line", COMPLETED)
def test_bash_completes(completed, line):
    assert completed[line] == COMPLETED[line]


def test_bash_is_told_how_without_installing(tmp_path):
    assert "complete -o default -F _ivm_completion ivm" in bash(tmp_path, "ivm --show-completion")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered_in_their_form(tmp_path, shell):
    asking = {"_IVM_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}

    def offered(line):
        environment = os.environ | asking | {"_TYPER_COMPLETE_ARGS": line}
        return subprocess.run([BIN / "ivm"], capture_output=True, text=True, env=environment, timeout=60).stdout

    assert "owlv2" in offered("ivm mask a.jpg cup --model owl")
    assert "owlv2" not in offered("ivm mask a.jpg cup --model runs/")
