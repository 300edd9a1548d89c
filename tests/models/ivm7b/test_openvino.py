"""SAM's encoder on OpenVINO: PyTorch's numbers, from a graph that is made once a checkpoint."""

import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from ivm.core.errors import CheckpointError, DeviceError, DiskFullError, MissingExtraError, OptionError, OutputError
from ivm.models.ivm7b import openvino_encoder
from ivm.models.ivm7b.load import load_ivm7b
from ivm.models.ivm7b.placement import check_encoder
from ivm.models.ivm7b.weights import Stored
from tiny_ivm7b import write_tiny

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed: pip install 'ivm[openvino]'"
)

QUESTIONS = ["pick up the red cup", "where can i sit ?"]
CLOSE = {"atol": 1e-4, "rtol": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder of the graphs, empty."""
    monkeypatch.setenv("IVM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openvino"


def answers(model, picture):
    return np.stack(model.predict(model.encode([picture]) * 2, QUESTIONS).logits)


def features(model, picture):
    return model.encode([picture])[0].image_1CHW


def test_the_originals_numbers(golden):
    files = golden / "ivm-v1-tiny"
    sources = {"sam": files / "sam_tiny.pth", "llava": files / "llava_tiny"}
    model = load_ivm7b(files / "ivm_tiny.bin", **sources, device="cpu", encoder="openvino")
    with Image.open(golden / "image.jpg") as image:
        picture = np.asarray(image.convert("RGB"))
    with np.load(files / "io.npz") as original:
        np.testing.assert_allclose(features(model, picture), original["image_embeddings"], **CLOSE)
        logits = model.predict(model.encode([picture]), ["pick up the red cup"]).logits
        np.testing.assert_allclose(logits[0], original["mask_logits"][0, 0], **CLOSE)


def test_float32_is_what_pytorch_gives(load, pictures):
    ours, theirs = load(encoder="openvino"), load()
    for picture in pictures[:2]:
        np.testing.assert_allclose(features(ours, picture), features(theirs, picture), **CLOSE)
    np.testing.assert_allclose(answers(ours, pictures[0]), answers(theirs, pictures[0]), **CLOSE)


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 0.02), ("float16", 0.005)])
def test_sixteen_bits_are_near_or_refused(load, pictures, dtype, most):
    """The norm of the difference is at most 2 % of that of the features in bfloat16, 0.5 % in float16."""
    try:
        model = load(encoder="openvino", dtype=dtype)
    except DeviceError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "encoder='torch'" in refusal, "this CPU has not got it, and is not asked for something near it"
        return
    found, wanted = features(model, pictures[0]), features(load(), pictures[0])
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).norm() / wanted.norm() < most


def test_the_language_model_may_be_int8_beside_it(load, pictures):
    int8 = load(encoder="openvino", quantize="int8")
    np.testing.assert_allclose(answers(int8, pictures[0]), answers(load(quantize="int8"), pictures[0]), **CLOSE)


def test_a_graph_is_made_once_and_for_its_own_weights_only(load, tmp_path, cache, pictures):
    load(encoder="openvino")
    (first,) = cache.iterdir()
    made = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    load(encoder="openvino", quantize="int8")
    assert list(cache.iterdir()) == [first]
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == made
    other = write_tiny(tmp_path, seed=1)
    changed = {"sam": other.sam, "llava": other.llava}
    ours = features(load(other.trained, **changed, encoder="openvino"), pictures[0])
    assert len(list(cache.iterdir())) == 2
    np.testing.assert_allclose(ours, features(load(other.trained, **changed), pictures[0]), **CLOSE)


@pytest.mark.parametrize("file", ["image_encoder.xml", "image_encoder.bin"])
def test_a_damaged_graph_is_named(load, cache, file):
    load(encoder="openvino")
    (folder,) = cache.iterdir()
    os.truncate(folder / file, (folder / file).stat().st_size // 2)
    with pytest.raises(CheckpointError, match="remove that folder") as caught:
        load(encoder="openvino")
    assert str(folder) in str(caught.value)


def test_a_cache_that_cannot_be_written(load, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("IVM_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError):
        load(encoder="openvino")
    assert (tmp_path / "file").read_text() == "mine"


def test_too_little_space_is_told_before_anything_is_converted(cache):
    huge = {"pos_embed": Stored((2**50,), torch.float32, lambda: torch.empty(0))}
    with pytest.raises(DiskFullError, match="IVM_CACHE"):
        openvino_encoder._convert(None, huge, cache / "one")
    assert list(cache.iterdir()) == []


def test_threads_ask_it_side_by_side(load, pictures):
    model = load(encoder="openvino")
    alone = [features(model, picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: features(model, picture), pictures * 3))
    for place, found in enumerate(together):
        np.testing.assert_allclose(found, alone[place % len(pictures)], atol=1e-6, rtol=0)


def test_the_plan_names_it(load):
    assert "SAM image encoder, OpenVINO" in load(encoder="openvino").plan.text()


def test_it_goes_with_the_cpu_and_with_weights_in_memory_only(load):
    with pytest.raises(OptionError, match="'torch' or 'openvino', not 'tensorrt'"):
        load(encoder="tensorrt")
    with pytest.raises(OptionError, match="choose one"):
        load(encoder="openvino", low_gpu_memory=True)
    with pytest.raises(OptionError, match="not on cuda: use device='cpu'"):
        check_encoder("openvino", torch.device("cuda"), offload=False)


def test_without_the_package_it_says_what_to_install(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"ivm\[openvino\]"):
        load(encoder="openvino")
