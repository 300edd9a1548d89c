"""Whatever is wrong with a file: one sentence that names it, and nothing is run or guessed."""

import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ivm.core.errors import CheckpointError, FetchError, ModelError
from ivm.models.ivm7b.hub import SAM, SAM_NEEDS, resolved
from ivm.models.ivm7b.load import load_ivm7b
from mishaps import Trap
from tiny_ivm7b import write_llava

LORA = "prompt_encoder.model.base_model.model.language_model.model.layers.1.self_attn.q_proj.lora_A.default.weight"


def refused(source, **sources):
    """The sentence with which sources are refused."""
    with pytest.raises(ModelError) as caught:
        load_ivm7b(source, device="cpu", **sources)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "weights_only" not in sentence, "nobody is told how to run what is in the file"
    return sentence


@pytest.fixture
def changed(tiny, tmp_path):
    """Save IVM's own file after a change to it; returns the refusal."""

    def change(edit, name="ivm.bin"):
        saved = torch.load(tiny.trained, weights_only=True)
        saved = edit(saved)
        path = tmp_path / name
        save_file(saved, path) if path.suffix == ".safetensors" else torch.save(saved, path)
        shutil.copy(tiny.trained.parent / "sizes.json", tmp_path)
        sentence = refused(path, sam=tiny.sam, llava=tiny.llava)
        assert str(path) in sentence
        return sentence

    return change


@pytest.mark.parametrize("key", [LORA, "mask_decoder.pe_layer.positional_encoding_gaussian_matrix"])
def test_a_missing_tensor_is_listed(changed, key):
    assert f"missing: {key})" in changed(lambda saved: {name: value for name, value in saved.items() if name != key})


def test_an_unexpected_tensor_is_listed(changed):
    sentence = changed(lambda saved: saved | {"mask_decoder.iou_token.weight": torch.zeros(1)})
    assert "unexpected: mask_decoder.iou_token.weight" in sentence


def test_a_tensor_of_another_shape_is_listed(changed):
    key = "mask_decoder.output_upscaling.3.bias"
    assert f"of another shape: {key} [5] instead of [4]" in changed(lambda saved: saved | {key: torch.zeros(5)})


def test_long_lists_are_cut(changed):
    def edit(saved):
        return {key: value for key, value in saved.items() if "transformer.layers.0" not in key}

    assert "more)" in changed(edit)


def test_keys_in_a_safetensors_file(changed):
    sentence = changed(lambda saved: {k: v for k, v in saved.items() if k != LORA}, "ivm.safetensors")
    assert f"missing: {LORA}" in sentence


def test_discriminator_and_wrappers_are_tolerated(tiny, tmp_path):
    saved = torch.load(tiny.trained, weights_only=True) | {"discriminator.head.weight": torch.zeros(2)}
    shutil.copy(tiny.trained.parent / "sizes.json", tmp_path)
    for place, content in enumerate(({"model": saved}, {"module": {f"module.{k}": v for k, v in saved.items()}})):
        torch.save(content, tmp_path / f"{place}.bin")
        assert load_ivm7b(tmp_path / f"{place}.bin", sam=tiny.sam, llava=tiny.llava, device="cpu").name == "ivm-7b"


@pytest.mark.parametrize(
    "edit",
    [
        lambda saved: {key: value for key, value in saved.items() if "lora" not in key},
        lambda saved: saved | {"mask_decoder.condition_proj.weight": torch.zeros(2, 2)},
        lambda saved: saved | {"language_encoder.shared.weight": torch.zeros(2, 2)},
    ],
    ids=["no adapters", "condition_proj", "language_encoder"],
)
def test_the_variants_on_t5_are_recognised(changed, edit):
    sentence = changed(edit)
    assert "FAM" in sentence
    assert "not supported" in sentence


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_checkpoint_is_not_run(tiny, tmp_path, save):
    sprung, path = tmp_path / "sprung", tmp_path / "trap.bin"
    save({"mask_decoder.mask_tokens.weight": Trap(sprung)}, path)
    assert "holds code" in refused(path, sam=tiny.sam, llava=tiny.llava)
    assert not sprung.exists()


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
@pytest.mark.parametrize("part", [0, 1, 0.5, 0.999])
def test_a_truncated_file(tiny, tmp_path, suffix, part):
    whole = tmp_path / f"whole{suffix}"
    saved = torch.load(tiny.trained, weights_only=True)
    save_file(saved, whole) if suffix == ".safetensors" else torch.save(saved, whole)
    content, path = whole.read_bytes(), tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(len(content) * part) if part < 1 else 100])
    sentence = refused(path, sam=tiny.sam, llava=tiny.llava)
    assert "cut short" in sentence or "empty" in sentence


@pytest.mark.parametrize("content", [[1, 2], {}, {"lr": 0.1}, {"a": torch.zeros(1)}, torch.zeros(2)], ids=str)
def test_another_kind_of_file(tiny, tmp_path, content):
    torch.save(content, tmp_path / "other.bin")
    assert "other.bin" in refused(tmp_path / "other.bin", sam=tiny.sam, llava=tiny.llava)


def test_a_file_in_the_place_of_another(tiny):
    assert "not IVM-7B's checkpoint" in refused(tiny.sam, sam=tiny.sam, llava=tiny.llava)
    assert "no image encoder of SAM" in refused(tiny.trained, sam=tiny.trained, llava=tiny.llava)
    assert "one file" in refused(tiny.trained, sam=tiny.sam, llava=tiny.llava / "model.safetensors")
    assert "not SAM" in refused(tiny.trained, sam=tiny.llava, llava=tiny.llava)
    assert "a folder" in refused(tiny.llava, sam=tiny.sam, llava=tiny.llava)


def test_a_checkpoint_of_other_sizes_needs_its_heads(tiny, tmp_path):
    shutil.copy(tiny.trained, tmp_path)
    assert "sizes.json" in refused(tmp_path / "ivm.bin", sam=tiny.sam, llava=tiny.llava)


@pytest.fixture
def llava(tiny, tmp_path):
    return shutil.copytree(tiny.llava, tmp_path / "llava")


@pytest.mark.parametrize("file", ["preprocessor_config.json", "tokenizer.json", "config.json", "model.safetensors"])
def test_a_llava_folder_lacks_a_file(tiny, llava, file):
    (llava / file).unlink()
    sentence = refused(tiny.trained, sam=tiny.sam, llava=llava)
    assert f"holds no {file}" in sentence
    assert str(llava) in sentence


@pytest.mark.parametrize("file", ["preprocessor_config.json", "tokenizer.json", "config.json"])
def test_a_damaged_llava_folder(tiny, llava, file):
    (llava / file).write_text("{")
    assert str(llava) in refused(tiny.trained, sam=tiny.sam, llava=llava)


def test_llava_lacks_a_tensor(tiny, tmp_path):
    tensors = load_file(tiny.llava / "model.safetensors")
    del tensors["language_model.model.norm.weight"]
    write_llava(tmp_path / "llava", tensors)
    assert "missing: language_model.norm.weight" in refused(tiny.trained, sam=tiny.sam, llava=tmp_path / "llava")


def test_another_llava(tiny, llava):
    config = (llava / "config.json").read_text()
    (llava / "config.json").write_text(config.replace('"llava"', '"llava_next"'))
    assert "'llava_next', not LLaVA-1.5" in refused(tiny.trained, sam=tiny.sam, llava=llava)
    (llava / "config.json").write_text(config.replace('"hidden_size": 32', '"hidden_size": 64'))
    assert "text width 32, not 64" in refused(tiny.trained, sam=tiny.sam, llava=llava)


def test_a_path_that_is_not_there(tiny, tmp_path):
    with pytest.raises(CheckpointError, match="no file or folder at"):
        load_ivm7b(tmp_path / "gone.bin", sam=tiny.sam, llava=tiny.llava)
    assert "no file or folder at" in refused(tiny.trained, sam="models/sam.pth", llava=tiny.llava)


def test_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"missing here: config\.json, model\.safetensors or") as caught:
        resolved(SAM, SAM_NEEDS)
    assert "models--facebook--sam-vit-huge" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_no_network_but_a_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    home = tmp_path / "models--facebook--sam-vit-huge"
    folder = home / "snapshots" / "abc"
    for path in (folder / "config.json", folder / "model.safetensors", home / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("abc")
    assert resolved(SAM, SAM_NEEDS) == folder
    (folder / "model.safetensors").unlink()
    with pytest.raises(FetchError, match=r"missing here: model\.safetensors"):
        resolved(SAM, SAM_NEEDS)


def test_the_released_checkpoint_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    home = tmp_path / "models--2toINF--IVM"
    for path in (home / "snapshots" / "abc" / "IVM-V1.0.bin", home / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("abc")
    assert resolved("2toINF/IVM") == home / "snapshots" / "abc" / "IVM-V1.0.bin"
