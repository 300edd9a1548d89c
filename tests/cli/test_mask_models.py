"""`ivm mask` with other models than the embedded one: the paper's, from its three files, and experts from folders."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save

from fake_hub import FakeHub, running
from ivm.inference.zoo import load
from ivm.masking import MaskResult
from tiny_ivm7b import write_tiny

QUESTION = "pick up the red cup"


@pytest.fixture
def ivm_mask(place, environment):
    """Run `ivm mask` in a home of its own."""

    def run(*arguments):
        line = [sys.executable, "-m", "ivm", "mask", *map(str, arguments)]
        home = {"HOME": str(place), "IVM_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(line, capture_output=True, text=True, env=environment | home, cwd=place, timeout=250)

    return run


@pytest.fixture(scope="module")
def files(golden):
    return golden / "ivm-v1-tiny"


def soft_of(folder):
    with Image.open(folder / "soft.png") as image:
        return np.asarray(image).astype(np.float32) / 255


def original_soft(golden, files, picture):
    """The heatmap of the original's own logits."""
    with np.load(files / "io.npz") as arrays:
        return MaskResult.from_logits(picture, arrays["mask_logits"][0, 0]).soft


def test_the_papers_call_gives_the_papers_heatmap(golden, files):
    with Image.open(golden / "image.jpg") as image:
        picture = np.asarray(image.convert("RGB"))
    model = load(files / "ivm_tiny.bin", type="lisa", sam=files / "sam_tiny.pth", llava=files / "llava_tiny")
    np.testing.assert_allclose(model(picture, QUESTION).soft, original_soft(golden, files, picture), atol=1e-4)


def test_the_papers_checkpoint_on_the_command_line(ivm_mask, golden, files, place):
    sources = (
        "--model",
        files / "ivm_tiny.bin",
        "--sam",
        files / "sam_tiny.pth",
        "--llava",
        f"{files / 'llava_tiny'}/",
    )
    done = ivm_mask(golden / "image.jpg", QUESTION, *sources, "-o", "masked")
    assert done.returncode == 0, done.stderr
    assert "7 pictures and summary.json are in masked" in done.stdout
    assert "needed on cpu" in done.stderr, "the plan of memory is told before the weights are read"
    with Image.open(golden / "image.jpg") as image:
        picture = np.asarray(image.convert("RGB"))
    # A heatmap in a file has 8 bits.
    np.testing.assert_allclose(soft_of(place / "masked"), original_soft(golden, files, picture), atol=0.6 / 255)


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_a_tiny_model_in_8_bits_whose_pictures_openvino_encodes(ivm_mask, place, tmp_path_factory):
    tiny = write_tiny(tmp_path_factory.mktemp("tiny"))
    sources = ("--model", tiny.trained, "--sam", tiny.sam, "--llava", tiny.llava)
    options = ("--encoder", "openvino", "--quantize", "int8", "--device", "cpu", "--dtype", "float32", "--quiet")
    done = ivm_mask("scene.png", QUESTION, *sources, *options, "-o", "masked")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((place / "masked" / "summary.json").read_text())["model"] == "ivm-7b"
    assert [path.name for path in (place / "cache").iterdir()] == ["openvino"]
    assert not (place / "intel").exists(), "nothing is reported to anybody"


@pytest.mark.parametrize("name", ["clipseg", "owlv2"])
def test_an_expert_from_a_folder(ivm_mask, place, name):
    import tiny_experts

    folder = getattr(tiny_experts, f"tiny_{name}")(place / "models" / name)
    sam = () if name == "clipseg" else ("--sam", tiny_experts.tiny_sam(place / "models" / "sam"))
    done = ivm_mask("scene.png", "the red cup", "--model", folder, *sam, "-o", "masked")
    assert done.returncode == 0, done.stderr
    told = json.loads((place / "masked" / "summary.json").read_text())
    assert told["model"] == (name if name == "clipseg" else "owlv2+sam")
    assert soft_of(place / "masked").shape == (96, 128)


def test_sam_from_the_hub_is_fetched_once_and_verified(place, environment, tmp_path_factory):
    tiny = write_tiny(tmp_path_factory.mktemp("tiny"))
    encoder = {
        name.replace("image_encoder.", "vision_encoder."): tensor
        for name, tensor in tiny.tensors.items()
        if name.startswith("image_encoder.")
    }
    files = {"config.json": b'{"model_type": "sam"}', "model.safetensors": save(encoder), "code.py": b"never fetched"}
    kept = {name: value for name, value in environment.items() if not name.startswith("HF_")}
    line = [sys.executable, "-m", "ivm", "mask", "scene.png", QUESTION, "--model", tiny.trained, "--llava", tiny.llava]
    with running(FakeHub("someone/sam", files)) as hub:
        home = {"HF_HUB_CACHE": str(place / "hub"), "HF_HOME": str(place), "HF_ENDPOINT": hub.endpoint, "NO_PROXY": "*"}

        def ask():
            line_ = [*map(str, line), "--sam", "someone/sam", "--quiet"]
            return subprocess.run(line_, capture_output=True, text=True, env=kept | home, cwd=place, timeout=250)

        hub.served["model.safetensors"] = save(encoder)[:-1] + b"?"
        damaged = ask()
        assert damaged.returncode == 44, damaged.stderr
        assert "model.safetensors of someone/sam arrived damaged" in damaged.stderr
        hub.served.clear()
        assert ask().returncode == 0
        asked = len(hub.asked)
        assert ask().returncode == 0
        assert len(hub.asked) == asked, "what is here needs no hub"
    assert not any(path.name == "code.py" for path in (place / "hub").rglob("*"))


def test_options_of_another_model_are_refused(ivm_mask):
    done = ivm_mask("scene.png", QUESTION, "--encoder", "openvino")
    assert done.returncode == 12
    assert "error: Only IVM-7B's image encoder has a choice" in done.stderr
