"""`ivm doctor` as a user calls it: what works, what is missing, and an install that is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import metadata

import pytest

from ivm.cli import doctor_probes
from ivm.core.checkup import REINSTALL
from ivm.core.errors import InstallError


@pytest.fixture
def doctor(tmp_path, environment):
    """Run `ivm doctor`; keyword arguments go to the environment."""

    def run(*arguments, **variables):
        line = [sys.executable, "-m", "ivm", "doctor", *arguments]
        return subprocess.run(
            line, capture_output=True, text=True, env=environment | variables, cwd=tmp_path, timeout=280
        )

    return run


@pytest.fixture
def shadow(tmp_path):
    """Put modules of one's own in the place of installed ones; gives the environment variables for it."""

    def put(**modules):
        (tmp_path / "shadow").mkdir()
        for name, text in modules.items():
            (tmp_path / "shadow" / f"{name}.py").write_text(text)
        return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "shadow"), os.environ.get("PYTHONPATH", "")])}

    return put


def by_name(done):
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_everything_that_the_base_install_needs_works_here(doctor, tmp_path):
    done = doctor("--json", HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["works"] is True
    checks = by_name(done)
    for name in ("Python", "machine", "ONNX Runtime", "weights of ivm-nano", "ivm-nano", "hub"):
        assert checks[name]["state"] == "works", checks[name]
        assert checks[name]["remedy"] is None
    assert checks["ivm-nano"]["details"]["mask_seconds"] > 0, "it was really run"
    assert len(checks["weights of ivm-nano"]["details"]["sha256"]) == 2
    assert str(tmp_path / "hub") in checks["hub"]["told"]
    assert checks["hub"]["details"]["offline"] is True
    extras = {check["details"]["extra"] for name, check in checks.items() if name.startswith("extra ")}
    assert extras == set(metadata("ivm").get_all("Provides-Extra"))


def test_the_table_names_every_check_and_the_line_that_mends(doctor, shadow):
    pytest.importorskip("mujoco", reason="its OpenGL is what is missing here")
    done = doctor(MUJOCO_GL="abacus", **shadow(torch="raise OSError('libcudart.so is not there')"))
    assert done.returncode == 0, "what is missing is no failure"
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "OpenGL for MuJoCo" in line)
    assert lines[at].startswith("missing")
    assert "MUJOCO_GL=abacus" in lines[at]
    assert any(line.startswith("works    ivm-nano") for line in lines)
    at = next(number for number, line in enumerate(lines) if "libcudart.so is not there" in line)
    assert lines[at].startswith("missing  torch")
    assert "python -m ivm.cli.doctor_probes torch" in lines[at + 1]


def test_a_crash_is_told_and_harms_no_other_check(doctor, shadow):
    done = doctor(
        "--json", **shadow(cv2="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", torch="raise OSError")
    )
    assert done.returncode == InstallError.exit_code
    assert done.stderr.startswith("error: The base install does not work (model): pip install --force-reinstall ivm\n")
    assert json.loads(done.stdout)["works"] is False
    checks = by_name(done)
    assert checks["model"]["told"] == "crashed with SIGKILL"
    assert checks["model"]["state"] == "broken"
    assert checks["video"]["state"] == "missing"
    assert checks["ONNX Runtime"]["state"] == "works", "what was found before the crash is told"
    assert checks["Python"]["state"] == "works"


def ended(code: str) -> subprocess.Popen[str]:
    """A probe that runs other code."""
    line = [sys.executable, "-c", code]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_was_found_before_a_failure_is_kept():
    code = 'print(\'{"name": "a", "state": "works", "told": "b"}\', flush=True); raise ImportError(\'no libgomp\')'
    first, last = doctor_probes.found("model", ended(code))
    assert (first.name, first.state) == ("a", "works")
    assert (last.state, last.told, last.remedy) == ("broken", "ImportError: no libgomp", REINSTALL)


def test_a_probe_that_hangs_is_given_up():
    process = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    (check,) = doctor_probes.found("drawing", process, seconds=0.01)
    assert (check.state, check.told) == ("missing", "gave no answer in 0.01 seconds")
    assert process.returncode is not None
