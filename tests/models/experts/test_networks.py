"""Each expert against transformers' own whole way from picture and text to answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from ivm.core.errors import ModelError
from ivm.core.model import MaskModel
from ivm.inference.masker import Masker
from ivm.models.experts.boxed import BoxChoice
from ivm.models.experts.boxes import Detections
from ivm.models.experts.florence2 import DETECT, OUTLINE, Answer, Florence2, Florence2Features, Florence2Outlines
from ivm.models.experts.load import load_expert, load_sam
from ivm.models.experts.runtime import Runtime
from ivm.models.experts.sam import PROMPTS_AT_ONCE

DETECTORS = ("owlv2", "grounding-dino")
TEXTS = ["the red cup", "a plate", "the red cup on the blue plate"]


EXPERTS = ("clipseg", *DETECTORS, "florence2", "clipseg+sam", "florence2+sam")


def load(folders, name, **options):
    own, _, sam = name.partition("+")
    return load_expert(folders[own], **({"sam": folders["sam"]} if sam or own in DETECTORS else {}), **options)


@pytest.mark.parametrize("name", EXPERTS)
def test_an_expert_is_a_mask_model_whose_pictures_are_encoded_once(folders, pictures, name):
    expert = load(folders, name)
    assert isinstance(expert, MaskModel)
    assert expert.name == (f"{folders[name].name}+sam" if name in DETECTORS else name)
    features = expert.encode(pictures)
    logits, presence = expert.predict([features[0], features[0], features[1]], TEXTS)
    assert len(logits) == 3
    assert all(one.dtype == np.float32 and one.ndim == 2 for one in logits)
    assert presence.shape == (3,)
    assert ((presence >= 0) & (presence <= 1)).all()
    for place, (picture, text) in enumerate(zip([pictures[0], *pictures], TEXTS, strict=True)):
        alone = expert.predict(expert.encode([picture]), [text])
        np.testing.assert_allclose(alone.logits[0], logits[place], atol=1e-4)
        np.testing.assert_allclose(alone.presence[0], presence[place], atol=1e-5)


@pytest.mark.parametrize("name", EXPERTS)
def test_pictures_of_one_size_that_are_asked_together_do_not_mix(folders, pictures, name):
    expert = load(folders, name)
    both = expert.encode([pictures[0], 255 - pictures[0]])
    together = expert.predict(both, TEXTS[:2])
    for place, one in enumerate(both):
        alone = expert.predict([one], [TEXTS[place]])
        np.testing.assert_allclose(together.logits[place], alone.logits[0], atol=1e-4)
        np.testing.assert_allclose(together.presence[place], alone.presence[0], atol=1e-5)


@pytest.mark.parametrize("name", EXPERTS)
def test_a_masker_asks_it(folders, pictures, name):
    masker = Masker(load(folders, name))
    results = masker.batch(pictures, ["the red cup", "a plate"])
    assert [result.soft.shape for result in results] == [(40, 64), (72, 48)]
    with masker.open(pictures[0]) as view:
        assert view("the red cup").found == pytest.approx(results[0].found, abs=1e-5)


@pytest.mark.parametrize("name", EXPERTS)
def test_no_question_gets_no_answer(folders, name):
    expert = load(folders, name)
    assert list(expert.encode([])) == []
    logits, presence = expert.predict([], [])
    assert len(logits) == 0
    assert presence.shape == (0,)


@pytest.mark.parametrize("name", EXPERTS)
def test_a_question_of_many_words_is_cut_to_what_the_network_reads(folders, pictures, name):
    expert = load(folders, name)
    expert.predict(expert.encode(pictures[:1]), ["the red cup and the blue plate " * 12])


def whole(folders, name, picture, text, **inputs):
    """Transformers' own processor, network and output."""
    family = {"clipseg": "CLIPSeg", "owlv2": "Owlv2", "grounding-dino": "GroundingDino"}[name]
    task = "ImageSegmentation" if name == "clipseg" else "ObjectDetection"
    model = getattr(transformers, f"{family}For{task}").from_pretrained(folders[name]).eval()
    processor = getattr(transformers, f"{family}Processor").from_pretrained(folders[name])
    made = processor(images=picture, text=text, return_tensors="pt", **inputs)
    with torch.no_grad():
        return processor, made, model(**made)


def test_clipseg_is_transformers_own(folders, pictures):
    expert = load(folders, "clipseg")
    logits, presence = expert.predict(expert.encode(pictures[:1]), TEXTS[:1])
    _, _, wanted = whole(folders, "clipseg", pictures[0], TEXTS[:1], padding=True)
    wanted = wanted.logits.reshape(48, 48).numpy()
    np.testing.assert_allclose(logits[0], wanted, atol=1e-5)
    assert presence[0] == pytest.approx(1 / (1 + np.exp(-wanted.max())), abs=1e-6)


def test_owlv2_is_transformers_own(folders, pictures):
    expert = load(folders, "owlv2")
    for picture in pictures:
        (found,) = expert.detector.detect(expert.detector.encode([picture]), ["the red cup"])
        processor, _, seen = whole(folders, "owlv2", picture, [["the red cup"]])
        (wanted,) = processor.post_process_grounded_object_detection(seen, 0.0, target_sizes=[picture.shape[:2]])
        compare(found, wanted, picture)


def test_grounding_dino_is_transformers_own(folders, pictures):
    expert = load(folders, "grounding-dino")
    for picture in pictures:
        (found,) = expert.detector.detect(expert.detector.encode([picture]), ["The red cup"])
        processor, made, seen = whole(folders, "grounding-dino", picture, "the red cup.")
        (wanted,) = processor.post_process_grounded_object_detection(
            seen, made["input_ids"], threshold=0.0, target_sizes=[picture.shape[:2]]
        )
        compare(found, wanted, picture)


@pytest.mark.parametrize(("prompt", "task"), [(DETECT, "OPEN_VOCABULARY_DETECTION"), (OUTLINE, "REFERRING")])
def test_florence2_is_transformers_own(folders, pictures, prompt, task):
    expert = load(folders, "florence2")
    told = expert.detector.answers(expert.encode(pictures), TEXTS[:2], prompt)
    model = transformers.Florence2ForConditionalGeneration.from_pretrained(folders["florence2"]).eval()
    processor = transformers.Florence2Processor.from_pretrained(folders["florence2"])
    task = "REFERRING_EXPRESSION_SEGMENTATION" if task == "REFERRING" else task
    for picture, text, answer in zip(pictures, TEXTS, told, strict=False):
        made = processor(images=picture, text=f"<{task}>{text}", return_tensors="pt")
        with torch.no_grad():
            wanted = model.generate(**made, max_new_tokens=57, do_sample=False)
        assert answer.text == processor.tokenizer.decode(wanted[0, 1:])
        assert "<loc_" in answer.text
        assert 0 < answer.confidence < 1


class Told(Florence2):
    """Answers what it was told to."""

    name = "florence2"

    def __init__(self, *answers):
        self.told = answers

    def encode(self, images):
        return [Florence2Features(None, image.shape[:2]) for image in images]

    def answers(self, features, texts, prompt):
        return [Answer(text, 0.8) for text in self.told[: len(texts)]]


def test_boxes_of_florence2_in_pixels():
    """A picture 50 high, 100 wide: a bin is a tenth of a pixel wide. A box of less than a pixel is none."""
    detector = Told("<s>cup<loc_100><loc_200><loc_299><loc_599><loc_0><loc_0><loc_3><loc_3></s>", "no")
    first, second = detector.detect(detector.encode([np.zeros((50, 100, 3), np.uint8)] * 2), ["a", "b"])
    np.testing.assert_allclose(first.boxes, [[10, 10, 30, 30]], rtol=1e-6)
    np.testing.assert_allclose(first.scores, [0.8])
    assert second.boxes.shape == (0, 4)


def test_outlines_of_florence2_are_the_mask():
    """The right half of a picture 4 high, 8 wide; then half an answer."""
    half = "</s><s><loc_500><loc_0><loc_999><loc_0><loc_999><loc_999><loc_500><loc_999></s>"
    expert = Florence2Outlines(Told(half, "<s><loc_500><loc_0><loc_999><loc_0>"))
    features = expert.encode([np.zeros((4, 8, 3), np.uint8)] * 2)
    logits, presence = expert.predict(features, ["a", "b"])
    np.testing.assert_array_equal(logits[0] > 0, [[False] * 4 + [True] * 4] * 4)
    assert not (logits[1] > 0).any()
    np.testing.assert_allclose(presence, [0.8, 0.0])
    assert presence.dtype == logits[0].dtype == np.float32


def compare(found: Detections, wanted, picture):
    """Ours are theirs, cut to the picture."""
    height, width = picture.shape[:2]
    boxes = wanted["boxes"].numpy().clip(0, [width, height, width, height])
    there = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    assert there.any()
    np.testing.assert_allclose(found.boxes, boxes[there], atol=1e-3)
    np.testing.assert_allclose(found.scores, wanted["scores"].numpy()[there], atol=1e-5)


@pytest.mark.parametrize("count", [1, PROMPTS_AT_ONCE + 2])
def test_masks_of_boxes_are_sams_own_united(folders, pictures, count):
    sam = load_sam(folders["sam"], Runtime.choose("cpu"))
    model = transformers.SamModel.from_pretrained(folders["sam"]).eval()
    processor = transformers.SamProcessor.from_pretrained(folders["sam"])
    boxes = np.array([[i, 3, 30 + i, 35 - i] for i in range(count)], np.float32)
    for picture in pictures:
        (features,) = sam.encode([picture])
        inputs = processor(images=picture, input_boxes=[boxes.tolist()], return_tensors="pt")
        resized = tuple(inputs["reshaped_input_sizes"][0].tolist())
        inputs["input_boxes"] = inputs["input_boxes"].float()
        with torch.no_grad():
            seen = model(pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"], multimask_output=False)
        (wanted,) = processor.post_process_masks(seen.pred_masks, [resized], [resized], binarize=False)
        logits = sam.masks(features, boxes)
        assert logits.shape == resized
        np.testing.assert_allclose(logits, wanted[:, 0].amax(dim=0).numpy(), atol=1e-4)
        assert (sam.masks(features, np.zeros((0, 4), np.float32)) == -10).all()


@pytest.mark.parametrize("count", [1, PROMPTS_AT_ONCE + 2])
def test_masks_at_points_are_the_best_of_sams_own_united(folders, pictures, count):
    sam = load_sam(folders["sam"], Runtime.choose("cpu"))
    model = transformers.SamModel.from_pretrained(folders["sam"]).eval()
    processor = transformers.SamProcessor.from_pretrained(folders["sam"])
    points = np.array([[3 + 2 * i, 5 + i] for i in range(count)], np.float32)
    for picture in pictures:
        (features,) = sam.encode([picture])
        one_each = [[[point] for point in points.tolist()]]
        inputs = processor(images=picture, input_points=one_each, return_tensors="pt")
        resized = tuple(inputs["reshaped_input_sizes"][0].tolist())
        with torch.no_grad():
            seen = model(pixel_values=inputs["pixel_values"], input_points=inputs["input_points"].float())
        (wanted,) = processor.post_process_masks(seen.pred_masks, [resized], [resized], binarize=False)
        best = wanted[torch.arange(count), seen.iou_scores[0].argmax(dim=1)]
        np.testing.assert_allclose(sam.masks_at(features, points), best.amax(dim=0).numpy(), atol=1e-4)
        assert (sam.masks_at(features, np.zeros((0, 2), np.float32)) == -10).all()


@pytest.mark.parametrize("name", DETECTORS)
def test_a_threshold_above_all_boxes_leaves_an_empty_mask_and_the_best_score(folders, pictures, name):
    expert = load(folders, name, boxes=BoxChoice(threshold=1.0))
    features = expert.encode(pictures[:1])
    (found,) = expert.detector.detect([features[0].detector], ["a plate"])
    logits, presence = expert.predict(features, ["a plate"])
    assert (logits[0] == -10).all()
    assert presence[0] == pytest.approx(found.scores.max())


def test_a_picture_of_one_pixel_and_a_long_one(folders):
    for name in EXPERTS:
        masker = Masker(load(folders, name))
        for size in ((1, 1), (3, 200), (200, 3)):
            assert masker(np.full((*size, 3), 200, np.uint8), "the red cup").soft.shape == size


@pytest.mark.parametrize("name", EXPERTS)
def test_lower_precision(folders, pictures, name):
    expert, full = load(folders, name, device="cpu", dtype="bfloat16"), load(folders, name)
    logits, presence = expert.predict(expert.encode(pictures), TEXTS[:2])
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in logits)
    if name == "grounding-dino" or name.startswith("florence2"):
        # They take their best places as queries, or words, and among random ones rounding decides which those are.
        assert ((presence >= 0) & (presence <= 1)).all()
    else:
        np.testing.assert_allclose(presence, full.predict(full.encode(pictures), TEXTS[:2]).presence, atol=0.1)


def test_a_network_that_fails_says_so(folders, pictures):
    expert = load(folders, "clipseg")
    features = expert.encode(pictures[:1])
    with pytest.raises(ModelError, match="clipseg could not run"):
        expert.predict([tuple(layer[:, :3] for layer in features[0])], ["the red cup"])
