import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch

from ivm.core.errors import CheckpointError
from ivm.inference.nano_onnx import NanoOnnx
from ivm.models.nano.export import Calibration, export
from ivm.models.nano.network import NanoConfig, NanoNetwork
from ivm.models.nano.weights import averaged, load_network
from mishaps import Trap
from tiny_run import TINY_NETWORK, tiny_checkpoint


def refused(path):
    """The sentence with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_network(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(path) in sentence
    assert "weights_only" not in sentence, "nobody is told how to run what is in the file"
    return sentence


def test_a_checkpoint_is_loaded_ready_to_answer(tmp_path):
    saved = tiny_checkpoint()
    torch.save(saved, tmp_path / "last.ckpt")
    network = load_network(tmp_path / "last.ckpt")
    assert not network.training
    assert network.config == NanoConfig(**TINY_NETWORK, kinds=5, colors=3)
    for name, value in network.state_dict().items():
        assert torch.equal(value, saved["state_dict"][f"network.{name}"])


@pytest.fixture
def exported(tmp_path):
    """What `export` writes for a later run to start from."""
    torch.manual_seed(0)
    network = NanoNetwork(NanoConfig(**TINY_NETWORK, kinds=5, colors=3)).eval()
    return network, export(network, tmp_path / "nano") / "network.safetensors"


def test_exported_weights_are_loaded_again_to_16_bits(exported):
    network, path = exported
    again = load_network(path)
    assert again.config == network.config
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-3, rtol=1e-3)


def test_a_calibration_is_in_the_graph_and_not_in_the_weights(exported, tmp_path):
    network, path = exported
    asked = Calibration(scale=2.0, bias=-1.0, shift=0.5)
    calibrated = export(network, tmp_path / "calibrated", calibration=asked)
    assert json.loads((calibrated / "model.json").read_text())["calibration"] == asked._asdict()
    assert (calibrated / "network.safetensors").read_bytes() == path.read_bytes()
    image = np.zeros((64, 64, 3), np.uint8)
    told, raw = (
        model.predict(model.encode([image]), ["the red cup"]) for model in map(NanoOnnx, (calibrated, path.parent))
    )
    np.testing.assert_allclose(told.logits[0], raw.logits[0] + 0.5, atol=1e-4)
    logit = np.log(raw.presence / (1 - raw.presence))
    np.testing.assert_allclose(told.presence, 1 / (1 + np.exp(1 - 2 * logit)), atol=1e-4)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x08" + b"\0" * 7 + b"{}      "], ids=["empty", "text", "no sizes"]
)
def test_a_file_of_weights_that_is_none(tmp_path, content):
    path = tmp_path / "network.safetensors"
    path.write_bytes(content)
    refused(path)


def test_weights_that_are_cut_short(exported):
    path = exported[1]
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refused(path)


def test_weights_that_are_not_there(tmp_path):
    assert "No weights can be read" in refused(tmp_path / "network.safetensors")


def network_of(value, **sizes):
    network = NanoNetwork(NanoConfig(**TINY_NETWORK | sizes))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network.eval()


def test_an_average_lies_between_its_parts():
    network = averaged(network_of(1.0), network_of(2.0), 0.25)
    assert not network.training
    assert {float(value) for p in network.parameters() for value in p.detach().unique()} == {1.25}


def test_networks_of_different_sizes_have_no_average():
    with pytest.raises(CheckpointError, match="different sizes"):
        averaged(network_of(1.0), network_of(1.0, text_width=32), 0.5)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_checkpoint_is_not_run(tmp_path, save):
    sprung = tmp_path / "sprung"
    path = tmp_path / "trap.ckpt"
    save(tiny_checkpoint(hyper_parameters=Trap(sprung)), path)
    refused(path)
    assert not sprung.exists()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "hello")
    return buffer.getvalue()


def cut():
    buffer = io.BytesIO()
    torch.save(tiny_checkpoint(), buffer)
    return buffer.getvalue()[:-5000]


@pytest.mark.parametrize(
    "content",
    [b"", b"this is a text\n", bytes(range(256)), b"PK\x03\x04 no zip", zipped(), cut(), pickle.dumps([1, 2])],
    ids=["empty", "text", "bytes", "half a zip", "another zip", "cut", "pickle"],
)
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "file.ckpt"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("name", ["gone.ckpt", ""])
def test_a_file_that_cannot_be_read(tmp_path, name):
    assert "No checkpoint can be read" in refused(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2, 3],
        "text",
        torch.zeros(3),
        {},
        {"state_dict": {}},
        tiny_checkpoint(hyper_parameters={}),
        tiny_checkpoint(hyper_parameters={"network": None}),
        tiny_checkpoint(hyper_parameters={"network": {"widthz": 3}}),
        tiny_checkpoint(hyper_parameters={"network": {"widths": [8, 8, 8, 8, 8, 8, 0]}}),
        tiny_checkpoint(state_dict=None),
        tiny_checkpoint(state_dict={1: 2}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_another_kind_of_checkpoint(tmp_path, content):
    path = tmp_path / "other.ckpt"
    torch.save(content, path)
    assert "no checkpoint of `ivm train`" in refused(path)


def test_keys_that_are_missing_or_too_many_are_listed(tmp_path):
    path = tmp_path / "changed.ckpt"
    saved = tiny_checkpoint()
    del saved["state_dict"]["network.predictor.place.bias"]
    saved["state_dict"]["network.surprise"] = torch.zeros(1)
    torch.save(saved, path)
    sentence = refused(path)
    assert "predictor.place.bias" in sentence
    assert "surprise" in sentence


def test_weights_of_another_size_are_named(tmp_path):
    path = tmp_path / "wide.ckpt"
    torch.save(tiny_checkpoint(hyper_parameters={"network": TINY_NETWORK | {"text_width": 32}}), path)
    assert "predictor.text" in refused(path)
