"""What the README shows does what it says: its Python blocks run, and so do its lines of `ivm`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ivm.inference.zoo import EMBEDDED

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

needs_weights = pytest.mark.skipif(
    not (EMBEDDED / "ivm-nano" / "model.json").is_file(), reason="the weights of ivm-nano are not in the package"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if re.search(r"\bivm (mask|models|eval)\b", line)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder with the README's pictures in it, as the current one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_something_to_run():
    assert len(blocks("python")) >= 2
    assert len(commands()) >= 3


@needs_weights
@pytest.mark.parametrize("block", blocks("python"))
def test_python_block_runs(place, block):
    subprocess.run([sys.executable, "-W", "error", "-c", block], check=True, timeout=60)


@needs_weights
@pytest.mark.parametrize("command", commands())
def test_command_runs(place, command):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", command], check=True, timeout=60, env=os.environ | {"PATH": path}
    )


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'src="([^"]+)"', README))
def test_link_to_a_file_leads_to_one(link):
    assert link.startswith(("http", "mailto:")) or (ROOT / link).exists()


def test_every_folder_of_the_tree_is_there():
    tree = next(block for block in blocks("text") if "src/ivm" in block)
    named = re.findall(r"^([\w./-]+/)(?= )", tree, flags=re.MULTILINE)
    rooms = re.findall(r"^ {2}([a-z]+/)", tree, flags=re.MULTILINE)
    for folder in named + [f"src/ivm/{room}" for room in rooms]:
        assert (ROOT / folder).is_dir(), folder
    present = {f"{path.name}/" for path in (ROOT / "src" / "ivm").iterdir() if (path / "__init__.py").is_file()}
    assert present == set(rooms)
