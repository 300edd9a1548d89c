"""The same tensors under every name that they have in the world."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ivm.models.ivm7b.config import PRESETS, SAM_VIT_H, sam_sizes
from ivm.models.ivm7b.names import sam_key, trained_key
from ivm.models.ivm7b.network import TRAINED, empty_network
from tiny_ivm7b import write_llava

QUESTION = "pick up the red cup"


def answer(model, picture):
    return model.predict(model.encode([picture]), [QUESTION]).logits[0]


@pytest.fixture
def expected(load, pictures):
    return answer(load(), pictures[0])


def test_the_released_architecture_has_its_tensors():
    names = list(empty_network(PRESETS["ivm-v1.0"]).state_dict())
    trained = [trained_key(name) for name in names if TRAINED.match(name)]
    assert len(trained) == len(set(trained)) == 228
    assert len([name for name in names if name.startswith("image_encoder.")]) == 457
    # 1,371 tensors less the vocabulary head, which is left out.
    assert len(names) == 1370
    parameters = empty_network(PRESETS["ivm-v1.0"]).state_dict()
    assert sum(parameters[name].numel() for name in names if TRAINED.match(name)) == 16_614_784 + 256
    last = "prompt_encoder.model.base_model.model.language_model.model.layers.31.self_attn.v_proj.lora_B.default.weight"
    assert last in trained
    assert "mask_decoder.transformer.layers.1.cross_attn_image_to_token.out_proj.bias" in trained
    assert "mask_decoder.transformer.norm_final_attn.weight" in trained
    assert "mask_decoder.output_hypernetworks_mlps.layers.1.weight" in trained


def test_sizes_of_sam_are_read_off_its_tensors():
    network = empty_network(PRESETS["ivm-v1.0"])
    shapes = {name: tuple(t.shape) for name, t in network.image_encoder.state_dict().items()}
    assert sam_sizes(shapes) == SAM_VIT_H
    assert sam_sizes({sam_key(name): shape for name, shape in shapes.items()}) == SAM_VIT_H


def test_a_whole_sam_file_with_prompt_encoder_and_decoder(load, tiny, tmp_path, pictures, expected):
    saved = torch.load(tiny.sam, weights_only=True)
    extra = {"mask_decoder.iou_token.weight": torch.zeros(1, 8), "prompt_encoder.no_mask_embed.weight": torch.zeros(1)}
    torch.save(saved | extra, tmp_path / "sam.pth")
    np.testing.assert_allclose(answer(load(sam=tmp_path / "sam.pth"), pictures[0]), expected, atol=1e-4, rtol=0)


def test_sam_from_a_hub_folder_in_shards(load, tiny, tmp_path, pictures, expected):
    tensors = {
        name.replace("image_encoder.", "vision_encoder."): tensor
        for name, tensor in tiny.tensors.items()
        if name.startswith("image_encoder.")
    }
    tensors["mask_decoder.iou_token.weight"] = torch.zeros(1, 8)
    names = sorted(tensors)
    where = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(names)}
    for file in set(where.values()):
        save_file({name: tensors[name] for name in names if where[name] == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam"}))
    np.testing.assert_allclose(answer(load(sam=tmp_path), pictures[0]), expected, atol=1e-4, rtol=0)


def test_llava_as_transformers_saves_it_today(load, tiny, tmp_path, pictures, expected):
    base = {
        "model." + name.removeprefix("llava.").replace(".base_layer", ""): tensor
        for name, tensor in tiny.tensors.items()
        if name.startswith("llava.") and not TRAINED.match(name)
    }
    write_llava(tmp_path / "llava", base | {"lm_head.weight": torch.zeros(64, 32)})
    np.testing.assert_allclose(answer(load(llava=tmp_path / "llava"), pictures[0]), expected, atol=1e-4, rtol=0)


def test_paths_may_be_text(load, tiny, pictures, expected):
    model = load(str(tiny.trained), sam=str(tiny.sam), llava=str(tiny.llava))
    np.testing.assert_allclose(answer(model, pictures[0]), expected, atol=1e-4, rtol=0)
