"""The zoo's table states parameters; here they are counted from the architectures, which takes no memory."""

from __future__ import annotations

import re

import pytest
import torch
import transformers

from ivm.inference.catalogue import find_model
from ivm.models.ivm7b.config import PRESETS
from ivm.models.ivm7b.network import TRAINED, empty_network

SWIN_T = {
    "embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7,
    "out_features": ["stage2", "stage3", "stage4"],
}  # fmt: skip
BART = {
    "model_type": "bart", "d_model": 768, "vocab_size": 51289, "max_position_embeddings": 1024, "encoder_layers": 6,
    "decoder_layers": 6, "encoder_attention_heads": 12, "decoder_attention_heads": 12, "encoder_ffn_dim": 3072,
    "decoder_ffn_dim": 3072,
}  # fmt: skip
VIT_H = {
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "global_attn_indexes": [7, 15, 23, 31],
}


def count(architecture, **config) -> int:
    """Parameters of a network of transformers; those that are tied count once."""
    network = getattr(transformers, architecture)
    with torch.device("meta"):
        return network(network.config_class(**config)).num_parameters()


def counts() -> dict[str, int]:
    sam = count("SamModel")
    trained = sum(
        t.numel() for name, t in empty_network(PRESETS["ivm-v1.0"]).state_dict().items() if TRAINED.match(name)
    )
    llava = PRESETS["ivm-v1.0"].llava
    swin = transformers.SwinConfig(**SWIN_T)
    return {
        "ivm-7b": trained + count("SamModel", vision_config=VIT_H) + count("LlavaForConditionalGeneration", **llava),
        "clipseg": count("CLIPSegForImageSegmentation", vision_config={"patch_size": 16}),
        "owlv2": count("Owlv2ForObjectDetection", vision_config={"image_size": 960}) + sam,
        "grounding-dino": count("GroundingDinoForObjectDetection", backbone_config=swin) + sam,
        "florence2": count(
            "Florence2ForConditionalGeneration", vision_config={"projection_dim": 768}, text_config=BART
        ),
    }


@pytest.fixture(scope="module")
def counted():
    return counts()


@pytest.mark.parametrize("name", ["ivm-7b", "clipseg", "owlv2", "grounding-dino", "florence2"])
def test_parameters_in_the_table_are_those_of_the_architecture(counted, name):
    number, unit = re.match(r"([\d.]+) ([MB]) parameters", find_model(name).size).groups()
    stated = float(number) * {"M": 1e6, "B": 1e9}[unit]
    assert stated == pytest.approx(counted[name], rel=0.01)
