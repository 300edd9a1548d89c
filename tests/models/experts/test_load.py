from __future__ import annotations

import json
import shutil

import pytest
import safetensors.torch
import torch

from ivm.core.errors import CheckpointError, DeviceError, FetchError, OptionError, UnknownModelError
from ivm.models.experts.boxed import BoxChoice
from ivm.models.experts.load import load_expert


@pytest.fixture
def copy(folders, tmp_path):
    """A folder to damage."""

    def one(name):
        return shutil.copytree(folders[name], tmp_path / name)

    return one


def refused(source, error=CheckpointError, **options):
    """The sentence with which a source is refused."""
    with pytest.raises(error) as caught:
        load_expert(source, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", ["clipseg", "owlv2", "grounding-dino"])
def test_a_kind_that_is_not_the_folders_is_refused(folders, name):
    other = "owlv2" if name != "owlv2" else "clipseg"
    assert f'of the architecture "{name}", not {other}' in refused(folders[name], kind=other)


def test_another_architecture_names_itself_and_those_that_there_are(folders):
    sentence = refused(folders["sam"])
    assert 'the architecture "sam"' in sentence
    assert "clipseg or owlv2 or grounding-dino" in sentence
    assert 'architecture "clipseg", not "sam"' in refused(folders["owlv2"], sam=folders["clipseg"])


@pytest.mark.parametrize(
    ("name", "file", "missing"),
    [
        ("clipseg", "config.json", "config.json"),
        ("clipseg", "processor_config.json", "preprocessor_config.json or processor_config.json"),
        ("owlv2", "tokenizer.json", "tokenizer.json or vocab.json and merges.txt or vocab.txt"),
        ("grounding-dino", "model.safetensors", "model.safetensors or model.safetensors.index.json"),
        ("florence2", "tokenizer.json", "tokenizer.json or vocab.json and merges.txt or vocab.txt"),
    ],
)
def test_files_that_a_folder_lacks_are_named(copy, folders, name, file, missing):
    folder = copy(name)
    (folder / file).unlink()
    sentence = refused(folder)
    assert f"{folder} holds no {missing}" in sentence
    assert "save_pretrained" in sentence


def test_pickled_weights_are_no_weights(copy):
    folder = copy("clipseg")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "holds no model.safetensors" in refused(folder)


def test_files_that_sam_lacks_are_named(copy, folders):
    folder = copy("sam")
    (folder / "processor_config.json").unlink()
    assert f"{folder} holds no preprocessor_config.json" in refused(folders["owlv2"], sam=folder)


@pytest.mark.parametrize("keep", [0, 5, 1000, -40])
def test_weights_that_are_cut_short(copy, keep):
    weights = copy("clipseg") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    sentence = refused(weights.parent)
    assert str(weights.parent) in sentence
    assert "damaged" in sentence


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": 3}', "{}"])
def test_a_configuration_that_is_damaged(copy, text):
    folder = copy("clipseg")
    (folder / "config.json").write_text(text)
    assert str(folder / "config.json") in refused(folder)


def test_a_processor_that_is_damaged(copy):
    folder = copy("clipseg")
    (folder / "tokenizer.json").write_text("{")
    assert str(folder) in refused(folder)


def change(folder, edit):
    """Edit the weights as a dictionary."""
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    edit(weights)
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})


def test_weights_that_are_missing_too_many_or_of_another_shape_are_listed(copy):
    folder = copy("clipseg")
    change(folder, lambda weights: weights.pop("decoder.film_mul.bias"))
    assert "lacks decoder.film_mul.bias" in refused(folder)
    change(folder, lambda weights: weights.update({"decoder.film_mul.bias": torch.zeros(3)}))
    assert "decoder.film_mul.bias" in refused(folder)
    change(
        folder, lambda weights: weights.update({"decoder.film_mul.bias": torch.zeros(8), "surprise": torch.zeros(1)})
    )
    assert "has too many: surprise" in refused(folder)


def test_the_constants_of_old_checkpoints_are_no_mistake(copy):
    folder = copy("clipseg")
    ids = torch.arange(16)[None]
    change(folder, lambda weights: weights.update({"clip.text_model.embeddings.position_ids": ids}))
    assert load_expert(folder).name == "clipseg"


def test_the_files_of_an_old_checkpoint(copy):
    """Published folders are of this form: one file per part, written years ago."""
    folder = copy("clipseg")
    inside = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(inside["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in inside["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    old = {"feature_extractor_type": "ViTFeatureExtractor", "size": 48, "do_resize": True, "do_normalize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    for name in ("tokenizer.json", "processor_config.json"):
        (folder / name).unlink()
    assert load_expert(folder, kind="clipseg").name == "clipseg"


def test_a_processor_of_another_size_than_the_network(copy, folders):
    for name, owner in (("owlv2", "OWLv2"), ("sam", "SAM"), ("clipseg", "CLIPSeg")):
        folder = copy(name)
        told = json.loads((folder / "processor_config.json").read_text())
        told["image_processor"]["size"] = {"longest_edge": 50} if name == "sam" else {"height": 50, "width": 50}
        (folder / "processor_config.json").write_text(json.dumps(told))
        sources = {"source": folders["owlv2"], "sam": folder} if name == "sam" else {"source": folder}
        sam = {"sam": folders["sam"]} if name == "owlv2" else {}
        assert f"{owner} reads" in refused(**sources, **sam)


def test_a_florence2_whose_halves_do_not_fit(copy):
    folder = copy("florence2")
    path = folder / "processor_config.json"
    told = json.loads(path.read_text())
    told["image_processor"]["image_seq_length"] = 577
    path.write_text(json.dumps(told))
    assert "makes 5 tokens of a picture, but its processor expects 577" in refused(folder)


def test_a_florence2_whose_tokenizer_knows_no_places(copy):
    folder = copy("florence2")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = folder / name
        path.write_text(path.read_text().replace("<loc_", "<place_"))
    assert "knows no <loc_999>" in refused(folder)


@pytest.mark.parametrize("source", ["nowhere/at/all", "clipseg", "../gone", "a/..b", "no such/thing"])
def test_a_source_that_is_nothing(source):
    assert "neither a folder nor a hub id" in refused(source, UnknownModelError)


def test_options_are_never_quietly_replaced(folders):
    assert "without boxes" in refused(folders["florence2"], OptionError, boxes=BoxChoice())
    for sam in (None, folders["sam"]):
        assert "no boxes" in refused(folders["clipseg"], OptionError, boxes=BoxChoice(), sam=sam)
    assert "kind" in refused(folders["clipseg"], OptionError, kind="yolo")
    assert "float8" in refused(folders["clipseg"], DeviceError, dtype="float8")
    for device in ("mars", "cuda:99"):
        assert device in refused(folders["clipseg"], DeviceError, device=device)


def test_without_the_hub_it_says_what_to_put_where(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sentence = refused("someone/clipseg", FetchError)
    assert "someone/clipseg" in sentence
    assert "config.json" in sentence
    assert str(tmp_path / "cache") in sentence
