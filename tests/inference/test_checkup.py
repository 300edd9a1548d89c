from __future__ import annotations

import shutil

import pytest

from ivm.core.checkup import REINSTALL
from ivm.inference.catalogue import EMBEDDED
from ivm.inference.checkup import MODEL, check_model


@pytest.fixture
def weights(tmp_path):
    if not (EMBEDDED / MODEL / "model.json").is_file():
        pytest.skip("the weights of ivm-nano are not in the package")
    return shutil.copytree(EMBEDDED / MODEL, tmp_path / MODEL)


def test_the_shipped_model_answers(weights):
    states = {check.name: check.state for check in check_model(weights)}
    assert states == {"ONNX Runtime": "works", f"weights of {MODEL}": "works", MODEL: "works"}


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_damaged_weights_are_named_and_not_run(weights, fault):
    file = weights / "predictor.onnx"
    if fault == "gone":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    runtime, damaged = check_model(weights)
    assert (runtime.state, damaged.state, damaged.remedy) == ("works", "broken", REINSTALL)
    assert "predictor.onnx" in damaged.told
