"""The original's own numbers, on the small model in its layout; no library of ours made them."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from ivm.models.ivm7b.convert import convert
from ivm.models.ivm7b.load import find_parts, load_ivm7b
from ivm.models.ivm7b.reading import sam_pixels, squashed

CLOSE = {"atol": 1e-4, "rtol": 0}


@pytest.fixture(scope="module")
def files(golden):
    return golden / "ivm-v1-tiny"


@pytest.fixture(scope="module")
def original(files):
    with np.load(files / "io.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def keys(files):
    return json.loads((files / "keys.json").read_text())


@pytest.fixture(scope="module")
def picture(golden):
    with Image.open(golden / "image.jpg") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def sources(files):
    return {"sam": files / "sam_tiny.pth", "llava": files / "llava_tiny"}


@pytest.fixture(scope="module")
def model(files, sources):
    return load_ivm7b(files / "ivm_tiny.bin", **sources, device="cpu")


def test_the_released_precision_is_kept(model):
    assert model.dtype == torch.float32


def test_pixels(model, picture, original):
    square = squashed(picture, model.network.config.sam["image_size"])
    np.testing.assert_allclose(sam_pixels(square), original["sam_pixel_values"], **CLOSE)
    np.testing.assert_allclose(model.reader.pixels(square), original["llava_pixel_values"], **CLOSE)


def test_token_ids(model, keys):
    token = model.reader.image_token_id
    for instruction, ids in zip(keys["instructions"], keys["input_ids_before_image_expansion"], strict=True):
        assert [*model.reader.prefix_ids, token, *model.reader.suffix_ids(instruction)] == ids


def test_image_features(model, picture, original):
    (features,) = model.encode([picture])
    np.testing.assert_allclose(features.image_1CHW, original["image_embeddings"], **CLOSE)


def asked(model, picture, instructions):
    """Hidden states, language embeddings and mask logits."""
    features = model.encode([picture]) * len(instructions)
    with torch.no_grad():
        hidden = model.hidden(features, instructions)
        return hidden, model.network.projector(hidden), model.predict(features, instructions).logits


@pytest.mark.parametrize("together", [True, False], ids=["one padded batch", "alone"])
def test_answers(model, picture, original, keys, together):
    questions = keys["instructions"]
    batches = [questions] if together else [[question] for question in questions]
    rows = [asked(model, picture, batch) for batch in batches]
    for place, name in enumerate(("llava_hidden", "language_embeddings", "mask_logits")):
        np.testing.assert_allclose(np.concatenate([row[place] for row in rows]), original[name][:, 0], **CLOSE)


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "beside"])
def test_a_converted_folder(files, sources, picture, original, keys, tmp_path, merge):
    folder = convert(find_parts(files / "ivm_tiny.bin", **sources), tmp_path / "one", merge=merge)
    logits = asked(load_ivm7b(folder, device="cpu"), picture, keys["instructions"])[2]
    np.testing.assert_allclose(logits, original["mask_logits"][:, 0], atol=1e-3 if merge else 1e-4, rtol=0)


def test_weights_that_stay_in_their_files(files, sources, picture, original, keys):
    model = load_ivm7b(files / "ivm_tiny.bin", **sources, device="cpu", low_gpu_memory=True)
    logits = asked(model, picture, keys["instructions"])[2]
    np.testing.assert_allclose(logits, original["mask_logits"][:, 0], **CLOSE)


def test_names_after_the_rename_in_transformers(files, sources, picture, original, keys, tmp_path):
    old, new = "base_model.model.language_model.model.", "base_model.model.model.language_model."
    saved = torch.load(files / "ivm_tiny.bin", weights_only=True)
    torch.save({name.replace(old, new): tensor for name, tensor in saved.items()}, tmp_path / "new.bin")
    shutil.copy(files / "sizes.json", tmp_path)
    logits = asked(load_ivm7b(tmp_path / "new.bin", **sources, device="cpu"), picture, keys["instructions"])[2]
    np.testing.assert_allclose(logits, original["mask_logits"][:, 0], **CLOSE)


def test_the_sizes_are_told_by_the_files(model, files):
    sizes, config = json.loads((files / "sizes.json").read_text()), model.network.config
    assert {name: config.sam[name] for name in sizes["sam"] if name in config.sam} == {
        name: value for name, value in sizes["sam"].items() if name in config.sam
    }
    assert config.sam["mlp_dim"] == sizes["sam"]["mlp_ratio"] * sizes["sam"]["hidden_size"]
    assert config.projector == tuple(sizes["projector"])
    assert (config.lora.rank, config.lora.alpha) == (sizes["lora"]["r"], sizes["lora"]["alpha"])
    assert config.decoder.mlp == sizes["decoder"]["mlp_dim"]
    assert config.decoder.depth == sizes["decoder"]["num_hidden_layers"]
