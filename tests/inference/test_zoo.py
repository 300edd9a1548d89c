from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys

import pytest

from ivm.core.errors import (
    CheckpointError,
    DeviceError,
    FetchError,
    MissingExtraError,
    OptionError,
    UnknownModelError,
)
from ivm.core.hub import cache_root
from ivm.inference.catalogue import Presence, find_model, presence
from ivm.inference.zoo import EMBEDDED, ZOO, load

FULL = all(importlib.util.find_spec(package) for package in ("torch", "transformers", "peft", "accelerate"))
NANO = (EMBEDDED / "ivm-nano" / "model.json").is_file()


def put(cache, repository, *names):
    """Put empty files into the cache as if they were fetched."""
    home = cache / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text("c0ffee")
    folder = home / "snapshots" / "c0ffee"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_names_are_unique_and_the_default_ships():
    names = [model.name for model in ZOO]
    assert len(set(names)) == len(names)
    assert names[0] == "ivm-nano"
    assert ZOO[0].extra is None
    assert not ZOO[0].parts


def test_what_is_here_is_told_from_the_cache_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    model = find_model("owlv2")
    expert, sam = (part.repository for part in model.parts)
    told = presence(model)
    assert not told.here
    assert set(told.missing) == {expert, sam}
    put(tmp_path, expert, "config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "model.safetensors")
    put(tmp_path, sam, "config.json", "model.safetensors")
    assert presence(model).missing == {sam: ["preprocessor_config.json or processor_config.json"]}
    put(tmp_path, sam, "processor_config.json")
    assert presence(model) == Presence(here=True, where=str(tmp_path), missing={})
    assert presence(ZOO[0]).here == NANO


def test_weights_in_several_files_are_all_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    part = find_model("clipseg").parts[0]
    folder = put(tmp_path, part.repository, "config.json", "preprocessor_config.json", "tokenizer.json")
    shards = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors", "c": "model-2-of-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (folder / "model-1-of-2.safetensors").write_bytes(b"")
    assert part.missing() == ["model-2-of-2.safetensors"]
    (folder / "model.safetensors.index.json").write_text("[")
    assert part.missing() == ["a readable model.safetensors.index.json"]


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, "HOME/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/hub"),
        ({"HF_HUB_CACHE": "$HF_HOME/c", "HF_HOME": "/h"}, "/h/c"),
    ],
)
def test_the_cache_is_the_hubs_own(variables, wanted, tmp_path, monkeypatch):
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": str(tmp_path)} | variables).items():
        monkeypatch.setenv(name, value)
    assert str(cache_root()) == wanted.replace("HOME", str(tmp_path))
    if FULL:
        code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        assert told == str(cache_root())


@pytest.mark.parametrize("type_", [None, "nano"])
def test_a_folder_or_one_of_its_graphs(toy_nano, type_):
    assert load(toy_nano, type=type_).model.name == "toy-nano"
    assert load(str(toy_nano / "predictor.onnx"), type=type_, dtype="float32").model.name == "toy-nano"


@pytest.mark.skipif(not NANO, reason="the packaged weights are not in this tree")
def test_the_packaged_model():
    assert load().model.name == "ivm-nano"


def extra_or(error):
    """The error that a user gets where the extra [full] is installed, or else the one that names it."""
    return error if FULL else MissingExtraError


def test_the_papers_call_reaches_the_papers_model(tmp_path):
    checkpoint = tmp_path / "IVM-V1.0.bin"
    checkpoint.write_bytes(b"0")
    with pytest.raises(extra_or(CheckpointError)) as caught:
        load(str(checkpoint), type="lisa", low_gpu_memory=False)
    assert ("IVM-V1.0.bin" if FULL else "pip install 'ivm[full]'") in str(caught.value)


def test_a_checkpoint_of_the_paper_is_known_without_its_type(tmp_path):
    (tmp_path / "file.bin").write_bytes(b"0")
    with pytest.raises(extra_or(CheckpointError), match=r"file\.bin" if FULL else "full"):
        load(tmp_path / "file.bin", sam=tmp_path, llava=tmp_path)


@pytest.mark.parametrize("source", ["ivm-7b", "clipseg", "owlv2", "grounding-dino", "florence2", "someone/something"])
def test_weights_that_are_not_here_are_named(tmp_path, source, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(extra_or(FetchError)) as caught:
        load(source)
    if FULL:
        wanted = next((model.parts for model in ZOO if model.name == source), ())
        assert any(part.repository in str(caught.value) for part in wanted) or source in str(caught.value)
        assert str(tmp_path) in str(caught.value)


def test_a_contradiction_is_an_error(toy_nano):
    for source in (toy_nano, toy_nano / "encoder.onnx", "ivm-nano"):
        with pytest.raises(CheckpointError, match="is ivm-nano, not the type 'lisa'"):
            load(source, type="lisa")
    with pytest.raises(CheckpointError, match=r"IVM-7B.*, not ivm-nano"):
        load("ivm-7b", type="nano")
    with pytest.raises(CheckpointError, match="'clipseg', not the type 'owlv2'"):
        load("clipseg", type="owlv2")


def test_unknown_names_get_near_ones():
    with pytest.raises(UnknownModelError, match="did you mean ivm-nano"):
        load("ivm_nano")
    with pytest.raises(UnknownModelError, match="the zoo has ivm-nano, ivm-7b, clipseg"):
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
    with pytest.raises(OptionError, match="Only IVM-7B is quantized"):
        load(toy_nano, quantize="int8")
    with pytest.raises(OptionError, match="no SAM"):
        load(toy_nano, sam="a/b")
    with pytest.raises(OptionError, match="Only IVM-7B's image encoder"):
        load(toy_nano, encoder="openvino")
    for source in (toy_nano, "clipseg", "owlv2", "florence2", "someone/something"):
        with pytest.raises(OptionError, match="no LLaVA"):
            load(source, llava="a/b")


@pytest.mark.skipif(not FULL, reason="experts need the extra [full]")
@pytest.mark.parametrize("type_", [None, "clipseg"])
def test_a_folder_of_an_expert(tmp_path, type_):
    from tiny_experts import tiny_clipseg

    folder = tiny_clipseg(tmp_path / "tiny")
    assert load(folder, type=type_).model.name == "tiny"
    (folder / "config.json").write_text('{"model_type": "yolos"}')
    with pytest.raises(CheckpointError, match='architecture "yolos"'):
        load(folder)
