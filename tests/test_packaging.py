"""What pyproject.toml asks for and what constraints.txt pins go together."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ivm

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = {canonicalize_name(pin.name): pin for pin in map(Requirement, filter(lambda s: s and s[0] != "#", LINES))}

BASE = PROJECT["dependencies"]
IN_CI = [
    line
    for extra in ("data", "dev", "docs", "full", "label", "openvino", "robot", "serve", "train", "eval")
    for line in PROJECT["optional-dependencies"][extra]
]


@pytest.mark.parametrize("line", BASE + IN_CI)
def test_what_ci_installs_is_pinned_inside_its_range(line):
    wanted = Requirement(line)
    (pin,) = PINS[canonicalize_name(wanted.name)].specifier
    assert pin.operator == "=="
    assert wanted.specifier.contains(pin.version)


def test_nothing_else_is_pinned():
    assert set(PINS) == {canonicalize_name(Requirement(line).name) for line in BASE + IN_CI}


def test_the_base_install_stays_small():
    names = {canonicalize_name(Requirement(line).name) for line in BASE}
    assert names == {"numpy", "pillow", "opencv-python-headless", "onnxruntime", "typer", "rich"}


def test_the_citation_is_of_this_version_and_licence():
    yaml = pytest.importorskip("yaml")
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (str(told["version"]), told["license"]) == (ivm.__version__, PROJECT["license"])
    assert told["references"][0]["title"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_changelog_and_the_citation_tell_the_same_release():
    told = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    released = re.search(r"^date-released: (.+)$", told, re.MULTILINE)
    assert released is not None
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[:2] == ["[Unreleased]", f"[{ivm.__version__}] - {released[1]}"]
