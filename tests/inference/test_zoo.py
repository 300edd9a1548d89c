from __future__ import annotations

import importlib.util
import shutil

import pytest

from ivm.core.errors import (
    CheckpointError,
    DeviceError,
    MissingExtraError,
    ModelError,
    OptionError,
    UnknownModelError,
)
from ivm.inference.zoo import WEIGHTS, ZOO, load

FULL = all(importlib.util.find_spec(package) for package in ("torch", "transformers"))
NANO = (WEIGHTS / "ivm-nano" / "model.json").is_file()


def test_names_are_unique_and_the_default_ships():
    names = [model.name for model in ZOO]
    assert len(set(names)) == len(names)
    assert names[0] == "ivm-nano"
    assert ZOO[0].available
    assert ZOO[0].extra is None


@pytest.mark.parametrize("type_", [None, "nano"])
def test_a_folder_or_one_of_its_graphs(toy_nano, type_):
    assert load(toy_nano, type=type_).model.name == "toy-nano"
    assert load(str(toy_nano / "predictor.onnx"), type=type_, dtype="float32").model.name == "toy-nano"


@pytest.mark.skipif(not NANO, reason="the packaged weights are not in this tree")
def test_the_packaged_model():
    assert load().model.name == "ivm-nano"


def test_the_papers_call_is_recognised(tmp_path):
    checkpoint = tmp_path / "IVM-V1.0.bin"
    checkpoint.write_bytes(b"0")
    with pytest.raises(ModelError) as caught:
        load(str(checkpoint), type="lisa", low_gpu_memory=False)
    if FULL:
        assert "IVM-7B" in str(caught.value)
        assert "[full]" in str(caught.value)
    else:
        assert isinstance(caught.value, MissingExtraError)
        assert "pip install 'ivm[full]'" in str(caught.value)


@pytest.mark.parametrize("source", ["ivm-7b", "file.bin"])
def test_ivm_7b_is_known_without_its_type(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.bin").write_bytes(b"0")
    with pytest.raises(ModelError, match="full"):
        load(source)


def test_a_contradiction_is_an_error(toy_nano):
    for source in (toy_nano, toy_nano / "encoder.onnx", "ivm-nano"):
        with pytest.raises(CheckpointError, match="is ivm-nano, not the type 'lisa'"):
            load(source, type="lisa")
    with pytest.raises(CheckpointError, match="not ivm-nano"):
        load("ivm-7b", type="nano")


def test_unknown_names_get_near_ones():
    with pytest.raises(UnknownModelError, match="did you mean ivm-nano"):
        load("ivm_nano")
    with pytest.raises(UnknownModelError, match="the zoo has ivm-nano, ivm-7b"):
        load("qqqqqqqq")


def test_paths_that_hold_no_model(tmp_path, toy_nano):
    with pytest.raises(CheckpointError, match=r"holds no model\.json"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load(tmp_path / "notes.txt")
    shutil.copy(toy_nano / "encoder.onnx", tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no model\.json"):
        load(tmp_path / "encoder.onnx")


def test_options_are_never_quietly_replaced(toy_nano):
    with pytest.raises(DeviceError, match="float16"):
        load(toy_nano, dtype="float16")
    with pytest.raises(DeviceError, match="mars"):
        load(toy_nano, device="mars")
    with pytest.raises(OptionError, match="fam"):
        load(toy_nano, type="fam")  # type: ignore[arg-type]
