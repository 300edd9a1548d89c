from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import onnxruntime
import pytest

from ivm.core.errors import CheckpointError, DeviceError, ModelError
from ivm.core.model import MaskModel
from ivm.inference.nano_onnx import MAX_ROWS, NanoOnnx


@pytest.fixture(scope="module")
def model(toy_nano):
    return NanoOnnx(toy_nano, device="cpu")


@pytest.fixture
def copy(toy_nano, tmp_path):
    return shutil.copytree(toy_nano, tmp_path / "copy")


def change(folder, **changes):
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({k: v for k, v in (about | changes).items() if v is not None}))


def put_graph(folder, name, graph):
    (folder / name).write_bytes(graph)
    about = json.loads((folder / "model.json").read_text())
    change(folder, sha256=about["sha256"] | {name: hashlib.sha256(graph).hexdigest()})


def test_it_is_a_mask_model(model):
    assert isinstance(model, MaskModel)
    assert model.name == "toy-nano"
    assert model.device == "cpu"


def test_finds_what_is_named_and_where(model, scene):
    features = model.encode([scene])
    logits, presence = model.predict(features * 3, ["the red cup", "a BLUE thing", "something green"])
    assert [one.shape for one in logits] == [(96, 128)] * 3
    # The picture was read at 192 x 256, so logits lie on a grid of 96 x 128, the picture's own size.
    assert (logits[0] > 0).nonzero()[1].min() == 32
    assert (logits[1] > 0).nonzero()[1].max() == 111
    assert presence.dtype == np.float32
    assert (presence > 0.5).tolist() == [True, True, False]


def test_mixed_sizes_come_back_in_order(model, scene):
    wide = np.zeros((50, 400, 3), np.uint8)
    wide[:, :200] = (0, 255, 0)
    images = [scene, wide, scene[:, :96], wide[:, ::-1]]
    logits, _ = model.predict(model.encode(images), ["red", "green", "blue", "green"])
    assert [one.shape for one in logits] == [(96, 128), (64, 192), (112, 112), (64, 192)]
    assert logits[1][32, 10] > 0 > logits[1][32, -10]
    assert logits[3][32, 10] < 0 < logits[3][32, -10]


def test_answers_do_not_depend_on_the_batch(model, scene):
    features = model.encode([scene])
    instructions = ["red", "the very long blue thing on the left"] * MAX_ROWS
    together = model.predict(features * len(instructions), instructions)
    alone = model.predict(features, instructions[:1])
    assert len(together.logits) == 2 * MAX_ROWS
    np.testing.assert_array_equal(together.logits[0], alone.logits[0])
    np.testing.assert_array_equal(together.logits[-2], alone.logits[0])


def test_no_picture_and_no_question(model):
    assert model.encode([]) == []
    assert model.predict([], []).presence.shape == (0,)


@pytest.mark.parametrize("name", ["model.json", "encoder.onnx", "predictor.onnx"])
def test_missing_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"holds no {name}"):
        NanoOnnx(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "ivm-huge"}, "not of the format"),
        ({"version": 2}, "version 2 of the format"),
        ({"features": []}, "names no features"),
        ({"features": [1]}, "names no features"),
        ({"stride": 0}, 'positive "stride"'),
        ({"stride": True}, 'positive "stride"'),
        ({"input_area": None}, 'must hold "input_area"'),
        ({"sha256": {}}, "damaged or was changed"),
    ],
)
def test_wrong_description(copy, changes, message):
    change(copy, **changes)
    with pytest.raises(CheckpointError, match=message):
        NanoOnnx(copy)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "\x00"])
def test_description_that_is_none(copy, text):
    (copy / "model.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"model\.json"):
        NanoOnnx(copy)


def test_changed_weights_do_not_load(copy):
    content = bytearray((copy / "predictor.onnx").read_bytes())
    content[-1] ^= 1
    (copy / "predictor.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        NanoOnnx(copy)


def test_bytes_that_are_no_graph(copy):
    put_graph(copy, "encoder.onnx", b"no graph at all")
    with pytest.raises(CheckpointError, match=r"encoder\.onnx is not a graph"):
        NanoOnnx(copy)


def test_a_graph_with_foreign_operators_does_not_load(copy):
    import onnx.parser

    text = """<ir_version: 8, opset_import: ["": 17, "evil": 1]>
    g (uint8[N, h, w, 3] image) => (float[N] colors, float[N] brightness) {
        colors, brightness = evil.Run(image)
    }"""
    put_graph(copy, "encoder.onnx", onnx.parser.parse_model(text).SerializeToString())
    with pytest.raises(CheckpointError, match="not a graph that ONNX Runtime can load"):
        NanoOnnx(copy)


def test_graphs_of_another_model(copy):
    put_graph(copy, "encoder.onnx", (copy / "predictor.onnx").read_bytes())
    with pytest.raises(CheckpointError, match="not a graph of ivm-nano"):
        NanoOnnx(copy)


def test_unknown_device(toy_nano):
    with pytest.raises(DeviceError, match="tpu"):
        NanoOnnx(toy_nano, device="tpu")


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_is_never_replaced(toy_nano):
    with pytest.raises(DeviceError, match="no CUDA"):
        NanoOnnx(toy_nano, device="cuda")
    assert NanoOnnx(toy_nano, device="auto").device == "cpu"


def test_a_failing_run_is_a_model_error(model, scene):
    features = model.encode([scene])[0]
    broken = features._replace(tensors=(features.tensors[0][:2], features.tensors[1]))
    with pytest.raises(ModelError, match="could not run ivm-nano"):
        model.predict([broken], ["red"])
