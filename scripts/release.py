"""Installs the built wheel and source archive in fresh environments, base and each extra, and uses what is there.

    python -m scripts.release                              # all of dist/, with SBOMs and licences written there
    python -m scripts.release --only train --archive sdist

uv makes an environment in seconds, with pip's settings on this machine (its indexes, its certificates) and the versions
of constraints.txt.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .licences import licensed, page

ROOT = Path(__file__).parents[1]
ARCHIVES = {"wheel": "*.whl", "sdist": "*.tar.gz"}
BASE, ALL = "base", "all"

RECIPE = """\
source: {path: tasks.jsonl}
output: labels
experts: [{model: ivm-nano}]
"""
TASKS = '{"image": "picture.jpg", "instruction": "the red cup"}\n'
STUDY = """\
{demonstrations: 2, camera: 48, picture: 16, steps: 3, batch: 4, episodes: 1, repeats: 1, max_steps: 3,
 levels: [trained], network: {width: 8, blocks: 1, words: 8, hidden: 16},
 arms: [{name: plain}, {name: nano, masks: model, fill: white}]}
"""
FILES = {"label.yaml": RECIPE, "tasks.jsonl": TASKS, "robot.yaml": STUDY}
"""What commands below read, beside `picture.jpg`."""

TINY = "import pathlib, runpy; runpy.run_path('{root}/tests/%s.py')['%s'](pathlib.Path('%s'))"
"""Python that writes a model of the tests: random weights, the real one's layout."""

USES: dict[str, tuple[str, ...]] = {
    BASE: ("ivm mask picture.jpg 'pick up the red cup' -o masked",),
    "data": ("ivm data make -o shards --scenes 4 -j 2", "ivm data validate shards", "ivm data stats shards"),
    "docs": ("mkdocs --quiet build --strict --config-file {root}/mkdocs.yml --site-dir {room}/site",),
    "eval": ("ivm eval scenes --scenes 10", "ivm eval masks --scenes 2", "ivm eval render bench --questions 2"),
    "full": (
        f'python -I -c "{TINY % ("tiny_experts", "tiny_clipseg", "tiny")}"',
        "ivm mask picture.jpg 'the red cup' --model ./tiny -o masked",
    ),
    "label": ("ivm label label.yaml",),
    "openvino": (
        f'python -I -c "{TINY % ("tiny_ivm7b", "write_tiny", ".")}"',
        "ivm mask picture.jpg 'the red cup' --model ivm.bin --sam sam.pth --llava llava --encoder openvino -o masked",
    ),
    "robot": ("ivm robot collect -o demos --episodes 1", "ivm robot report robot.yaml -o study"),
    "serve": ("ivm proxy --help", "ivm mcp --help"),  # and check_installed.py asks a server
    "train": (
        "ivm train {root}/recipes/ivm-nano-1.yaml data.pictures=2 processes=1 --steps 2 -o run",
        "ivm export run/last.ckpt -o own --scenes 32",
        "ivm mask picture.jpg 'the red cup' --model ./own -o masked",
    ),
    ALL: ("ivm models",),
}
"""What each extra is for, in the shortest form: commands that have to succeed."""

WITH = {"openvino": "full"}
"""Extras that are for what another one brings: OpenVINO runs a part of IVM-7B."""
SKIPPED = {
    "dev": "not for users",
    "experts": "not checked: a torchvision built for the CPU's PyTorch is not on every index, and PyPI's is for CUDA",
}


class CheckError(Exception):
    """A command failed; the message ends with what it printed last."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one environment."""

    archive: str
    extra: str
    size: int
    """Bytes of the environment's files."""
    install_s: float
    use_s: float
    fault: str | None


def extras_of_project() -> list[str]:
    """All extras that pyproject.toml has, those that are skipped too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return sorted(project["optional-dependencies"])


def uv_settings(told: str) -> dict[str, str]:
    """Turn what `pip config list` prints into uv's variables.

    pip looks for the best version on all its indexes, and uv is told to do the same.
    """
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    names |= {"cert": "SSL_CERT_FILE", "no-index": "UV_NO_INDEX", "trusted-host": "UV_INSECURE_HOST"}
    settings = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    for line in told.splitlines():  # with pip the environment counts before its files, and so it does here
        key, _, value = line.partition("=")
        section, _, key = key.rpartition(".")
        first = section == ":env:" or names.get(key) not in settings
        if section in ("global", "install", ":env:") and key in names and first:
            text = str(ast.literal_eval(value))
            settings[names[key]] = ",".join(text.split()) if key == "find-links" else " ".join(text.split())
    return settings


def run(line: Sequence[str | Path], *, room: Path, environment: Mapping[str, str]) -> str:
    """Run a command and return its standard output.

    Raises:
        CheckError: it failed.
    """
    done = subprocess.run(line, cwd=room, env=environment, capture_output=True, text=True)
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise CheckError(f"{shlex.join(map(str, line))}\nended with {done.returncode}:\n{end}")
    return done.stdout


def install(archive: Path, extras: str, room: Path, environment: Mapping[str, str]) -> None:
    """Make `room/venv` and install the archive there with extras, "" for none, as constraints.txt says.

    Raises:
        CheckError: it cannot be installed.
    """
    uv = Path(sys.executable).with_name("uv")
    wanted = f"ivm{f'[{extras}]' if extras else ''} @ {archive.resolve().as_uri()}"
    run([uv, "venv", "--quiet", "--python", sys.executable, "venv"], room=room, environment=environment)
    line = ["pip", "install", "--quiet", "--python", "venv", "--constraint"]
    run([uv, *line, ROOT / "constraints.txt", wanted], room=room, environment=environment)


def use(extra: str, extras: str, room: Path, environment: Mapping[str, str]) -> None:
    """Use what is installed in `room/venv`: from Python, `ivm doctor`, and the commands of `USES`.

    Raises:
        CheckError: something does not work, or `ivm doctor` says so.
    """
    programs = room / "venv" / "bin"
    for name, text in FILES.items():
        (room / name).write_text(text, encoding="utf-8")
    (room / "picture.jpg").write_bytes((ROOT / "examples" / "tabletop.jpg").read_bytes())
    check = ROOT / "scripts" / "check_installed.py"
    run([programs / "python", "-I", check, "picture.jpg", extras], room=room, environment=environment)
    run([programs / "ivm", "--version"], room=room, environment=environment)
    told = json.loads(run([programs / "ivm", "doctor", "--json"], room=room, environment=environment))
    states = {one["name"]: one["state"] for one in told["checks"]}
    wanted = ["packages", *(f"extra {name}" for name in extras.split(",") if name)]
    if bad := [name for name in wanted if states[name] != "works"]:
        raise CheckError(f"ivm doctor says of {', '.join(bad)}: {states}")
    for command in USES[extra]:
        program, *arguments = (word.format(root=ROOT, room=room) for word in shlex.split(command))
        run([programs / program, *arguments], room=room, environment=environment)


def write_sbom(name: str, room: Path, environment: Mapping[str, str], version: str, output: Path) -> list[str]:
    """Write the SBOM of `room/venv`, valid and the same each time; returns faults of licences, one line each.

    Raises:
        CheckError: it cannot be written, or is not valid.
    """
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    about = room / "pyproject.toml"  # the SBOM's tool knows no version that is read from the code
    about.write_text(project.replace('dynamic = ["version"]', f'version = "{version}"'), encoding="utf-8")
    path = output.resolve() / f"ivm-{version}-{name}.cdx.json"
    line = ["cyclonedx_py", "environment", "--output-reproducible", "--validate", "--mc-type", "library"]
    line += ["--pyproject", str(about), "--output-file", str(path), "venv"]
    run([sys.executable, "-m", *line], room=room, environment=environment)
    found = [licensed(one) for one in json.loads(path.read_bytes())["components"]]
    if name == ALL:
        told = page(found)
        (output / "licences.md").write_text(told, encoding="utf-8")
        print(told.split("\n\n")[1])
    return [f"{one.name} {one.version}: licence {one.licence or 'not known'}" for one in found if not one.accepted]


def check(kind: str, archive: Path, extra: str, *, sbom: bool) -> Row:
    """Make an environment, use it, remove it."""
    every = [name for name in extras_of_project() if name not in SKIPPED]
    extras = {BASE: "", ALL: ",".join(every)}.get(extra, ",".join(filter(None, (WITH.get(extra), extra))))
    pip = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory(prefix="ivm-release-") as folder:
        room = Path(folder)
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        caches = {"HF_HOME": str(room / "hub"), "IVM_CACHE": str(room / "cache")}
        quiet = {"HF_HUB_OFFLINE": "1", "NO_MKDOCS_2_WARNING": "1"}
        environment = {**uv_settings(pip.stdout), **kept, **caches, **quiet}
        started, fault = time.perf_counter(), None
        installed = started
        try:
            install(archive, extras, room, environment)
            installed = time.perf_counter()
            use(extra, extras, room, environment)
            if sbom and (faults := write_sbom(extra, room, environment, archive.name.split("-")[1], archive.parent)):
                fault = "\n".join(faults)
        except CheckError as error:
            fault = str(error)
        ended = time.perf_counter()
        size = sum(path.lstat().st_size for path in (room / "venv").rglob("*") if path.is_file())
    return Row(kind, extra, size, installed - started, ended - installed, fault)


def main() -> int:
    """Check what the command line names; returns 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", nargs="?", type=Path, default=ROOT / "dist", help="folder with one wheel and one sdist")
    parser.add_argument("--archive", choices=ARCHIVES, help="only this one")
    parser.add_argument("--only", choices=list(USES), metavar="EXTRA", action="append", help=", ".join(USES))
    options = parser.parse_args()
    rows, table = [], Table("archive", "extra", "MB", "install s", "use s", "verdict", box=None, pad_edge=False)
    for kind in [options.archive] if options.archive else ARCHIVES:
        found = list(options.dist.glob(ARCHIVES[kind]))
        if len(found) != 1:
            parser.error(f"{options.dist} has {len(found)} files {ARCHIVES[kind]}, and one is wanted: make release")
        for extra in options.only or USES:
            row = check(kind, found[0], extra, sbom=kind == "wheel" and extra in (BASE, ALL))
            rows.append(row)
            verdict = f"does not work\n{row.fault}" if row.fault else "works"
            print(f"{kind} {extra}: {verdict}", file=sys.stderr, flush=True)
            figures = f"{row.size / 1e6:,.0f}", f"{row.install_s:.0f}", f"{row.use_s:.0f}"
            table.add_row(kind, extra, *figures, verdict.partition("\n")[0])
    for extra, why in SKIPPED.items():
        table.add_row("", extra, "", "", "", why)
    Console(highlight=False).print(table)
    return int(any(row.fault for row in rows))


if __name__ == "__main__":
    sys.exit(main())
