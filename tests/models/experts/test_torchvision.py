"""Experts whose processors need torchvision, which the extra [experts] brings; and what is said where it is not."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

import tiny_experts
from ivm.core.errors import MissingExtraError, OptionError
from ivm.core.model import MaskModel
from ivm.models.experts.load import load_expert, load_sam
from ivm.models.experts.qwen_vl import read_boxes
from ivm.models.experts.runtime import Runtime

with_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="torchvision is not installed: pip install 'ivm[experts]'",
)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Make the folder of an expert, once."""
    home, made = tmp_path_factory.mktemp("torchvision"), {}

    def make(name):
        if name not in made:
            made[name] = getattr(tiny_experts, f"tiny_{name}")(home / name)
        return made[name]

    return make


@with_torchvision
def test_masks_of_sam2_are_transformers_own(own, pictures):
    folder = own("sam2")
    sam = load_sam(folder, Runtime.choose("cpu"))
    model = transformers.Sam2Model.from_pretrained(folder).eval()
    processor = transformers.Sam2Processor.from_pretrained(folder)
    box, points = [3.0, 5.0, 30.0, 35.0], [[20.0, 11.0], [4.0, 6.0]]
    for picture in pictures:
        (features,) = sam.encode([picture])
        size = (tiny_experts.SIDE, tiny_experts.SIDE)

        def theirs(picture=picture, size=size, multimask_output=False, **prompts):
            made = processor(images=picture, return_tensors="pt", **prompts)
            made.pop("original_sizes")
            with torch.no_grad():
                seen = model(**made, multimask_output=multimask_output)
            best = seen.pred_masks[0][torch.arange(len(seen.iou_scores[0])), seen.iou_scores[0].argmax(dim=1)]
            return torch.nn.functional.interpolate(best[:, None], size, mode="bilinear")[:, 0].amax(dim=0).numpy()

        found = sam.masks(features, np.array([box], np.float32))
        np.testing.assert_allclose(found, theirs(input_boxes=[[box]]), atol=1e-4)
        each = theirs(input_points=[[[point] for point in points]], input_labels=[[[1], [1]]], multimask_output=True)
        np.testing.assert_allclose(sam.masks_at(features, np.array(points, np.float32)), each, atol=1e-4)
        assert (sam.masks(features, np.zeros((0, 4), np.float32)) == -10).all()


@with_torchvision
def test_a_detector_may_use_sam2(folders, own, pictures):
    expert = load_expert(folders["owlv2"], sam=own("sam2"))
    assert expert.name == "owlv2+sam2"
    assert expert.predict(expert.encode(pictures), ["the red cup"] * 2).logits[0].ndim == 2


@with_torchvision
def test_sam3_is_transformers_own(folders, own, pictures):
    folder = own("sam3")
    expert = load_expert(folder)
    assert isinstance(expert, MaskModel)
    logits, presence = expert.predict(expert.encode(pictures), ["the red cup", "cup"])
    model = transformers.Sam3Model.from_pretrained(folder).eval()
    processor = transformers.Sam3Processor.from_pretrained(folder)
    for place, (picture, text) in enumerate(zip(pictures, ["the red cup", "cup"], strict=True)):
        made = processor(images=picture, text=text, return_tensors="pt")
        made.pop("original_sizes")
        with torch.no_grad():
            seen = model(**made)
        (told,) = processor.post_process_instance_segmentation(seen, threshold=0.3, mask_threshold=0.5)
        wanted = told["masks"].bool().any(dim=0) if len(told["masks"]) else torch.zeros(logits[place].shape).bool()
        np.testing.assert_array_equal(logits[place] > 0, wanted.numpy())
        best = (seen.pred_logits[0].sigmoid() * seen.presence_logits[0].sigmoid()).max()
        assert presence[place] == pytest.approx(float(best), abs=1e-5)
    with pytest.raises(OptionError, match="no other SAM"):
        load_expert(folder, sam=folders["sam"])


@with_torchvision
def test_qwen_is_asked_and_read(folders, own, pictures):
    """Random weights answer nothing that is a list of boxes, and nothing is what comes out."""
    expert = load_expert(own("qwen2_5_vl"), sam=folders["sam"])
    logits, presence = expert.predict(expert.encode(pictures[:1]), ["the red cup"])
    assert (logits[0] == -10).all()
    assert presence[0] == 0


def test_without_torchvision_it_says_what_to_install(folders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    for kind in ("sam2", "sam3", "qwen2_5_vl", "qwen3_vl"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        for name in ("preprocessor_config.json", "tokenizer.json", "model.safetensors"):
            (folder / name).write_bytes(b"")
        with pytest.raises(MissingExtraError, match=r"ivm\[experts\]"):
            load_expert(folders["owlv2"], sam=folder) if kind == "sam2" else load_expert(folder)


def entries(*boxes):
    return json.dumps([{"bbox_2d": box, "label": "cup"} for box in boxes])


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (entries([1, 2, 3, 4]), [[1, 2, 3, 4]]),
        (f"```json\n{entries([1, 2, 3, 4], [0, 0, 5.5, 9])}\n```", [[1, 2, 3, 4], [0, 0, 5.5, 9]]),
        (f"```\n{entries([1, 2, 3, 4])}```\n", [[1, 2, 3, 4]]),
        ("[]", []),
        ("", []),
        ("There is no cup.", []),
        (f"Here: {entries([1, 2, 3, 4])}", []),
        ('{"bbox_2d": [1, 2, 3, 4]}', []),
        ('[[1, 2, 3, 4], {"box": [1, 2, 3, 4]}, {"bbox_2d": null}]', []),
        (entries([1, 2, 3], [3, 2, 1, 4], [1, 2, 1, 4], ["1", 2, 3, 4], [True, 2, 3, 4]), []),
        ('[{"bbox_2d": [NaN, 1, 2, 3]}, {"bbox_2d": [0, 0, Infinity, 3]}, {"bbox_2d": [0, 0, 1e999, 3]}]', []),
        (f'[{{"bbox_2d": [0, 0, 1{"0" * 400}, 3]}}]', []),
        ("[" * 5000, []),
        ('[{"bbox_2d": [1, 2, 3, 4]}', []),
    ],
)
def test_answers_of_qwen(answer, wanted):
    np.testing.assert_allclose(read_boxes(answer), np.array(wanted, np.float32).reshape(-1, 4))


@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_any_json_is_read(value):
    for answer in (json.dumps(value), json.dumps([{"bbox_2d": value}])):
        boxes = read_boxes(answer)
        assert np.isfinite(boxes).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all()


@given(st.text())
def test_any_text_is_read(answer):
    assert read_boxes(answer).shape[1] == 4
