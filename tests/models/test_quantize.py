"""An `ivm-nano` in 8 bits."""

import json
from collections import Counter

import numpy as np
import onnx
import pytest
import torch

from ivm.core.errors import CheckpointError
from ivm.core.instruction import token_batch
from ivm.models.nano import export as exporting
from ivm.models.nano.export import export
from ivm.models.nano.network import NanoConfig, NanoNetwork
from tiny_run import TINY_NETWORK


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return NanoNetwork(NanoConfig(**TINY_NETWORK, kinds=5, colors=3)).eval()


@pytest.fixture(scope="module")
def sample():
    pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 96, 3), np.uint8)
    return pictures, token_batch(["the red cup", "the duck", "a pan", "the plate"])


def weights(path):
    """How many convolutions have weights of each type."""
    graph = onnx.load(path).graph
    kinds = {tensor.name: onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in graph.initializer}
    made_from = {node.output[0]: node.input[0] for node in graph.node}
    return Counter(kinds[made_from.get(n.input[1], n.input[1])] for n in graph.node if n.op_type == "Conv")


def test_all_but_the_first_and_the_last_convolutions_are_in_8_bits(network, sample, tmp_path):
    folder = export(network, tmp_path / "nano", sample=sample)
    types = weights(folder / "encoder.onnx")
    # The stem, two of the first stage's block, the way of colours and edges and two maps of classes stay in float, and
    # are kept in 16 bits where they have at least 256 weights.
    assert types["FLOAT"] + types["FLOAT16"] == 6
    assert types["INT8"] == types.total() - 6
    assert weights(folder / "predictor.onnx")["INT8"] == 3, "those that look around"
    assert 0 < json.loads((folder / "model.json").read_text())["eight_bits"]["mean_difference"] < 0.005


def test_weights_have_7_bits_which_no_processor_lets_overflow(network, sample, tmp_path):
    folder = export(network, tmp_path / "nano", sample=sample)
    whole = [
        onnx.numpy_helper.to_array(tensor)
        for graph in ("encoder.onnx", "predictor.onnx")
        for tensor in onnx.load(folder / graph).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert whole
    assert max(int(np.abs(weight.astype(int)).max()) for weight in whole) == 64


def test_without_a_sample_all_stays_in_float(network, tmp_path):
    folder = export(network, tmp_path / "nano")
    for graph in ("encoder.onnx", "predictor.onnx"):
        assert set(weights(folder / graph)) <= {"FLOAT", "FLOAT16"}
    assert "eight_bits" not in json.loads((folder / "model.json").read_text())


def test_answers_that_change_too_much_are_refused(network, sample, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "MEAN_TOLERANCE", 1e-9)
    with pytest.raises(CheckpointError, match="without --int8"):
        export(network, tmp_path / "nano", sample=sample)
    assert not (tmp_path / "nano").exists()
