import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from ivm.core.errors import DeviceError, ModelMemoryError, OptionError
from ivm.models.ivm7b.config import PRESETS
from ivm.models.ivm7b.int8 import Int8Linear
from ivm.models.ivm7b.network import empty_network
from ivm.models.ivm7b.placement import Placement
from ivm.models.ivm7b.plan import free_memory, plan
from ivm.models.ivm7b.weights import Stored
from tiny_ivm7b import write_tiny

QUESTIONS = ["pick up the red cup", "where can i sit ?"]


def answers(model, picture):
    return np.stack(model.predict(model.encode([picture]) * 2, QUESTIONS).logits)


def relative(found, wanted):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.fixture
def expected(load, pictures):
    return answers(load(), pictures[0])


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_sixteen_bits(load, pictures, expected, dtype, most):
    model = load(dtype=dtype)
    assert model.dtype == getattr(torch, dtype)
    assert model.network.language_model.embed_tokens.weight.dtype == model.dtype
    assert model.network.decoder.mask_tokens.weight.dtype == torch.float32
    assert 0 < relative(answers(model, pictures[0]), expected) < most


def test_auto_takes_sixteen_bits_where_llava_has_them(tmp_path, load):
    tiny = write_tiny(tmp_path, dtype=torch.float16)
    assert load(tiny.trained, sam=tiny.sam, llava=tiny.llava).dtype == torch.bfloat16


def test_int8_of_the_language_model(load, pictures, expected):
    model = load(quantize="int8")
    modules = [module for module in model.network.modules() if isinstance(module, Int8Linear)]
    assert len(modules) == 3 * 7
    assert 0 < relative(answers(model, pictures[0]), expected) < 0.1


@pytest.mark.parametrize("integers", [True, False], ids=["integers", "weight-only"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_int8_layer(integers, dtype):
    random = torch.Generator().manual_seed(1)
    weight, x = torch.randn(24, 64, generator=random), torch.randn(2, 5, 64, generator=random)
    x[0, 0] *= 100
    x[0, 1] = 0
    layer = Int8Linear(weight, torch.device("cpu"))
    if not integers:
        layer.integers, layer.weight = False, (weight / layer.scale[:, None]).round().to(torch.int8)
    y = layer(x.to(dtype))
    assert y.dtype == dtype
    error = (y.float() - x @ weight.T).norm(dim=2) / (x @ weight.T).norm(dim=2).clamp(min=1e-6)
    assert error.max() < 0.03
    assert not y[0, 1].any()


def test_weights_that_stay_in_their_files(load, pictures, expected):
    model = load(low_gpu_memory=True)
    offloaded = [name for name, tensor in model.network.named_parameters() if tensor.is_meta]
    assert {name.partition(".")[0] for name in offloaded} == {"image_encoder", "llava"}
    assert not any(tensor.is_meta for tensor in model.network.decoder.parameters())
    for _ in range(2):
        np.testing.assert_allclose(answers(model, pictures[0]), expected, atol=1e-5, rtol=0)
    assert [name for name, tensor in model.network.named_parameters() if tensor.is_meta] == offloaded


def test_offloading_in_another_precision(load, pictures, expected):
    assert 0 < relative(answers(load(low_gpu_memory=True, dtype="bfloat16"), pictures[0]), expected) < 0.1


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="only Linux tells what is mapped where")
def test_what_has_the_wanted_precision_is_mapped_and_not_copied(load, tiny):
    network = load().network
    where = {
        tiny.llava / "model.safetensors": network.language_model.layers[0].mlp.up_proj.weight,
        tiny.sam: network.image_encoder.layers[0].mlp.lin1.weight,
    }
    for file, weight in where.items():
        lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file))]
        ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
        assert any(start <= weight.data_ptr() < end for start, end in ranges)


def test_the_plan_adds_up(load, tiny):
    model = load()
    told = sum(line.nbytes for line in model.plan.lines if "picture" not in line.part)
    assert told == sum(tensor.nbytes for tensor in tiny.tensors.values())
    text = model.plan.text()
    assert "SAM image encoder" in text
    assert "needed on cpu" in text


def test_the_plan_of_offloading_leaves_little_on_the_device(load):
    whole, little = (load(low_gpu_memory=low).plan for low in (False, True))
    assert little.needed < whole.needed
    assert "files" in little.text()
    assert load(quantize="int8").plan.needed < whole.needed


def full(**placement):
    config = PRESETS["ivm-v1.0"]
    weights = {
        name: Stored(tuple(tensor.shape), torch.float16, lambda: torch.empty(0))
        for name, tensor in empty_network(config).state_dict().items()
    }
    where = Placement(**({"device": torch.device("cpu"), "dtype": torch.bfloat16} | placement))
    return plan(weights, config, where, free=8 * 2**30)


def test_the_plan_at_full_size():
    """Measured: SAM and LLaVA in bfloat16 peak at 16.0 GiB, int8 of the language model saves 6 GiB of it."""
    assert 15.5 < full().needed / 2**30 < 17
    assert 9 < full(quantize="int8").needed / 2**30 < 11
    assert full(offload=True).needed / 2**30 < 3


def test_what_cannot_fit_is_refused_before_anything_is_read():
    with pytest.raises(ModelMemoryError, match=r"needs 15\.9 GiB on cpu as asked for, 8\.0 GiB are free: use quantize"):
        full().check()
    full(offload=True).check()
    dataclasses.replace(full(), free=32 * 2**30).check()


def test_free_memory_is_asked_of_the_machine():
    assert 0 < free_memory(torch.device("cpu")) < 2**50


@pytest.mark.parametrize("device", ["cuda", "gpu", "cuda:7", "meta", ""])
def test_a_device_that_is_not_there(load, device):
    if device.startswith("cuda") and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceError, match="device"):
        load(device=device)


@pytest.mark.parametrize(
    "options",
    [{"dtype": "int4"}, {"dtype": "half"}, {"quantize": "int4"}, {"quantize": "int8", "low_gpu_memory": True}],
)
def test_options_that_do_not_go(load, options):
    with pytest.raises(OptionError):
        load(**options)
