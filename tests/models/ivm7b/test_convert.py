import json
import os

import numpy as np
import pytest
import torch
from safetensors import safe_open

from ivm.core.errors import CheckpointError, DiskFullError, OptionError, OutputError
from ivm.models.ivm7b import convert as convert_module
from ivm.models.ivm7b.convert import convert
from ivm.models.ivm7b.load import find_parts, load_ivm7b
from tiny_ivm7b import write_tiny

QUESTION = "pick up the red cup"


@pytest.fixture
def parts(tiny):
    return find_parts(tiny.trained, tiny.sam, tiny.llava)


def answer(model, picture):
    return model.predict(model.encode([picture]), [QUESTION]).logits[0]


@pytest.mark.parametrize("merge", [True, False])
def test_a_folder_answers_as_the_scattered_files_do(load, parts, tmp_path, pictures, merge):
    folder = convert(parts, tmp_path / "deep" / "one", merge=merge)
    model = load_ivm7b(folder, device="cpu")
    assert any(".lora_" in name for name in model.network.state_dict()) is not merge
    np.testing.assert_allclose(answer(model, pictures[0]), answer(load(), pictures[0]), atol=1e-4, rtol=0)
    assert not list(folder.parent.glob(".ivm-*"))


def test_what_is_in_the_folder(parts, tmp_path):
    folder = convert(parts, tmp_path / "one", shard=20_000)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = sorted(set(index["weight_map"].values()))
    assert len(files) > 2
    assert files == sorted(path.name for path in folder.glob("*.safetensors"))
    assert not any("lm_head" in name for name in index["weight_map"])
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0")
    assert "ivm.bin, sam.pth, llava" in card
    assert str(tmp_path) not in card


def test_precision_is_that_of_the_files_or_the_one_asked_for(tmp_path):
    tiny = write_tiny(tmp_path, dtype=torch.float16)
    parts = find_parts(tiny.trained, tiny.sam, tiny.llava)

    def dtypes(**options):
        folder = convert(parts, tmp_path / str(options), **options)
        where = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
        found = {}
        for name in ("image_encoder.pos_embed", "llava.language_model.norm.weight", "projector.fc1.weight"):
            with safe_open(folder / where[name], "pt") as file:
                found[name.partition(".")[0]] = file.get_slice(name).get_dtype()
        return found

    assert dtypes() == {"image_encoder": "F32", "llava": "F16", "projector": "F32"}
    assert dtypes(dtype="bfloat16") == {"image_encoder": "BF16", "llava": "BF16", "projector": "F32"}


def test_a_folder_is_converted_again(parts, tmp_path, pictures):
    beside = convert(parts, tmp_path / "beside", merge=False)
    whole = convert(find_parts(beside), tmp_path / "whole")
    direct = convert(parts, tmp_path / "direct")
    one, two = (answer(load_ivm7b(folder, device="cpu"), pictures[0]) for folder in (whole, direct))
    np.testing.assert_array_equal(one, two)


def test_a_folder_that_is_used_is_left_alone(parts, tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        convert(parts, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_an_empty_folder_is_filled(parts, tmp_path):
    (tmp_path / "one").mkdir()
    assert (convert(parts, tmp_path / "one") / "ivm7b.json").is_file()


def test_nothing_is_left_where_a_weight_cannot_be_read(parts, tmp_path):
    def broken():
        raise OSError(5, "Input/output error")

    name = "decoder.mask_tokens.weight"
    weights = parts.weights | {name: convert_module.Stored(parts.weights[name].shape, torch.float32, broken)}
    with pytest.raises(OutputError):
        convert(convert_module.dataclasses.replace(parts, weights=weights), tmp_path / "one")
    assert not list(tmp_path.iterdir())


def test_too_little_space_is_told_before_anything_is_written(parts, tmp_path):
    huge = convert_module.Stored((2**50,), torch.float32, lambda: torch.empty(0))
    weights = parts.weights | {"decoder.position": huge}
    with pytest.raises(DiskFullError, match="GiB of"):
        convert(convert_module.dataclasses.replace(parts, weights=weights), tmp_path / "one")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(parts, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        convert(parts, tmp_path / "one")


def test_an_unknown_precision(parts, tmp_path):
    with pytest.raises(OptionError, match="int4"):
        convert(parts, tmp_path / "one", dtype="int4")


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "ivm7b.json").write_text("{"),
        lambda folder: (folder / "ivm7b.json").write_text('{"format": "ivm-7b", "version": 99, "config": {}}'),
        lambda folder: (folder / "model-00001-of-00001.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors.index.json").write_text("[]"),
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: os.truncate(folder / "model-00001-of-00001.safetensors", 50_000),
    ],
    ids=["description", "version", "shard", "index", "tokenizer", "cut"],
)
def test_a_damaged_folder(parts, tmp_path, damage):
    folder = convert(parts, tmp_path / "one")
    damage(folder)
    with pytest.raises(CheckpointError, match="one"):
        load_ivm7b(folder, device="cpu")
