from __future__ import annotations

import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

from ivm.core.checkup import check_packages
from ivm.core.errors import MissingExtraError
from ivm.core.extras import optional
from ivm.core.packages import Requirement, at_least, requirements

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def someone(tmp_path, monkeypatch):
    """An installed project that asks for what is here, what is too old, and what is not."""
    folder = tmp_path / "someones_project-1.0.dist-info"
    folder.mkdir()
    lines = [
        "Metadata-Version: 2.4",
        "Name: someones-project",
        "Version: 1.0",
        "Requires-Dist: numpy>=1.0",
        "Requires-Dist: no-such-package>=1.0; extra == 'full'",
        "Requires-Dist: pillow>=9999.1; extra == 'full'",
        "Requires-Dist: typer; extra == 'serve'",
        "Requires-Dist: numpy<1.5; extra == 'train'",
    ]
    (folder / "METADATA").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    return "someones-project"


def test_what_an_extra_lacks_is_named_with_the_line_that_mends_it(someone):
    base, full, serve, train = check_packages(someone)
    assert (base.name, base.state, base.remedy) == ("packages", "works", None)
    assert base.told.startswith("numpy ")
    assert (full.name, full.state) == ("extra full", "missing")
    assert full.told.startswith("not installed: no-such-package, pillow ")
    assert full.told.endswith(" (needs 9999.1)")
    assert (serve.name, serve.state) == ("extra serve", "works")
    assert train.told.endswith(" (needs one below 1.5)")


def test_the_line_is_the_one_of_a_missing_package(someone):
    full = check_packages(someone)[1]
    with pytest.raises(MissingExtraError) as told:
        optional("no_such_package", extra="full")
    assert full.remedy is not None
    assert str(told.value).endswith(full.remedy)


def test_every_requirement_of_this_project_is_read():
    for line in [
        *PROJECT["dependencies"],
        *(one for lines in PROJECT["optional-dependencies"].values() for one in lines),
    ]:
        assert Requirement.parse(line).name in line
    assert {one.extra for one in requirements()} == {None, *metadata("ivm").get_all("Provides-Extra")}


def test_a_requirement_has_one_form():
    assert Requirement.parse("ray[data]>=2.50; extra == 'label'") == Requirement("ray", "2.50", extra="label")
    assert Requirement.parse("types-pyyaml") == Requirement("types-pyyaml")
    assert Requirement.parse("mkdocs<2,>=1.6; extra == 'docs'") == Requirement("mkdocs", "1.6", "2", "docs")
    for text in ("torch==3", "torch>=2,!=2.1", "torch; python_version < '3'", ""):
        with pytest.raises(ValueError, match="Expected a requirement"):
            Requirement.parse(text)


@pytest.mark.parametrize(
    ("version", "least", "right"),
    [
        ("2.13.0+cpu", "2.6", True),
        ("2.6", "2.6.0", True),
        ("2.0rc1", "2.0", True),
        ("1.26.4", "2.0", False),
        ("10", "9.9", True),
    ],
)
def test_versions_compare_by_their_numbers(version, least, right):
    assert at_least(version, least) is right
