"""The rooms of the package and what each may import, read from the source text; nothing is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ivm"

MAY_IMPORT = {
    "core": set(),
    "masking": {"core"},
    "inference": {"core", "masking", "models"},
    "models": {"core"},
    "data": {"core", "masking"},
    "lmm": {"core"},
    "labeling": {"core", "masking", "data", "inference", "lmm"},
    "training": {"core", "masking", "data", "models"},
    "evaluation": {"core", "masking", "data", "inference", "lmm"},
    "robotics": {"core", "masking", "data", "inference"},
    "serving": {"core", "masking", "inference"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT)

ONLY_LATE = {("inference", "models")} | {("cli", room) for room in MAY_IMPORT if room != "core"}
"""Room pairs whose import must stand inside a function: it would make a light start heavy."""

MAY_LOAD_TORCH = {"models", "training", "robotics"}
TORCH = {"torch", "lightning", "transformers", "peft", "accelerate", "safetensors"}
CORE_PACKAGES = {"numpy", "PIL"}


class Import(NamedTuple):
    """One imported module: its dotted name, and whether importing the file imports it too."""

    line: int
    module: str
    at_load: bool


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Yield each import of a file below `root` (the folder of the package `ivm`), relative ones made absolute."""
    package = ("ivm", *path.relative_to(root).parts[:-1])

    def visit(node: ast.AST, at_load: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (Import(node.lineno, f"{stem}.{alias.name}", at_load) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from visit(child, at_load=False)
            for child in node.orelse:
                yield from visit(child, at_load)
        else:
            inner = at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inner)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), at_load=True)


def complaint(room: str, found: Import) -> str | None:
    """Say what is wrong with an import in a room, or None."""
    top, _, rest = found.module.partition(".")
    if top == "IVM":
        return "the paper's import name is for users"
    if top == "ivm":
        other = rest.partition(".")[0]
        if other in (room, "__version__"):
            return None
        if other not in MAY_IMPORT:
            return f"{found.module} comes from the top of the package: import it from its room"
        if other not in MAY_IMPORT[room]:
            return f"room {room} may not import room {other}"
        if found.at_load and (room, other) in ONLY_LATE:
            return f"room {room} may import room {other} only inside a function"
        return None
    if top in TORCH and found.at_load and room not in MAY_LOAD_TORCH:
        return f"room {room} may not load {top}"
    return None


def complaints(root: Path) -> list[str]:
    """All that is wrong below `root`, as 'room/file.py:line what'."""
    rows = []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root)
        if len(where.parts) == 1:
            continue
        for found in imports_of(path, root):
            if what := complaint(where.parts[0], found):
                rows.append(f"{where.as_posix()}:{found.line} {what}")
    return list(dict.fromkeys(rows))


def test_every_room_imports_only_what_the_table_allows():
    assert complaints(SOURCE) == []


def test_every_room_is_in_the_table():
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= set(MAY_IMPORT)


def test_core_needs_numpy_and_pillow_only():
    packages = {
        found.module.partition(".")[0] for path in (SOURCE / "core").rglob("*.py") for found in imports_of(path, SOURCE)
    }
    assert packages - set(sys.stdlib_module_names) - {"ivm"} <= CORE_PACKAGES


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("masking/a.py", "from ivm.inference import load", "room masking may not import room inference"),
        ("masking/a.py", "from ivm import inference", "room masking may not import room inference"),
        ("data/b/a.py", "from ...training import loss", "room data may not import room training"),
        ("core/a.py", "def f():\n    import ivm.masking", "room core may not import room masking"),
        ("inference/a.py", "from ivm import load", "comes from the top of the package"),
        ("inference/a.py", "try:\n    import ivm.models\nexcept ImportError:\n    pass", "only inside a function"),
        ("cli/a.py", "from ivm.inference import load", "only inside a function"),
        ("evaluation/a.py", "from ivm.cli.main import main", "room evaluation may not import room cli"),
        ("data/a.py", "import torch.nn", "room data may not load torch"),
        ("data/a.py", "class A:\n    from torch import nn", "room data may not load torch"),
        ("data/a.py", "import IVM", "the paper's import name is for users"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, text: str, what: str):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert len(rows := complaints(tmp_path)) == 1
    assert what in rows[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("masking/a.py", "from ivm.core.errors import IvmError"),
        ("masking/a.py", "from .b import f"),
        ("inference/a.py", "def f():\n    from ivm.models.nano import net"),
        ("cli/a.py", "from ivm.core import errors\ndef f():\n    from ivm.inference import load"),
        ("cli/a.py", "from ivm import __version__"),
        ("training/a.py", "import torch"),
        ("evaluation/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("evaluation/a.py", "def f():\n    import torch"),
        ("__init__.py", "from ivm.inference import load"),
    ],
)
def test_an_allowed_import_is_not(tmp_path: Path, file: str, text: str):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert complaints(tmp_path) == []
