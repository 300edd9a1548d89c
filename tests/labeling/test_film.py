"""Masks that follow a moving thing through a video, and are found again when they are lost."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fake_models import FailsOn, RedModel
from ivm.core.errors import IvmError, OptionError
from ivm.data.coding import encode_picture
from ivm.data.shards import Shard
from ivm.labeling.expert import Expert, ExpertSpec
from ivm.labeling.film import FilmLabeler, label_film
from ivm.labeling.flow import FlowTracker
from ivm.masking.overlap import mask_iou

SIZE = 96


def scene(x: int, y: int = 30, *, seed: int = 0, shown: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A textured table with a red, textured square of 24 pixels on it, and where the square is."""
    rng = np.random.default_rng(seed)
    small = rng.integers(60, 180, (16, 16, 3), np.uint8)
    image = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    image[..., 0] //= 2
    truth = np.zeros((SIZE, SIZE), bool)
    if shown:
        patch = cv2.resize(
            np.random.default_rng(9).integers(0, 90, (6, 6, 3), np.uint8), (24, 24), interpolation=cv2.INTER_CUBIC
        )
        patch[..., 0] = 255 - patch[..., 0] // 3
        image[y : y + 24, x : x + 24] = patch
        truth[y : y + 24, x : x + 24] = True
    return image, truth


class Presence(RedModel):
    """Says that nothing is there where there is no red."""

    def predict(self, features, instructions):
        answer = super().predict(features, instructions)
        return answer._replace(presence=np.array([0.9 if (one > 0).any() else 0.1 for one in features], np.float32))


def labeler(every: int, make=Presence) -> tuple[FilmLabeler, Expert]:
    expert = Expert.load(ExpertSpec(name="red", make=make))
    return FilmLabeler("pick up the red square", [expert], every=every), expert


def test_flow_carries_a_mask_along():
    image, truth = scene(10)
    tracker = FlowTracker(image, truth.astype(np.float32))
    start = truth
    for step in range(1, 6):
        image, truth = scene(10 + 2 * step)
        carried = tracker.carry(image)
        assert carried.trust > 0.5
    assert mask_iou(carried.mask, truth) > 0.55 > mask_iou(start, truth)


def test_flow_knows_that_it_has_lost_what_is_gone():
    image, truth = scene(30)
    tracker = FlowTracker(image, truth.astype(np.float32))
    assert tracker.carry(scene(30, seed=5, shown=False)[0]).trust < 0.5
    assert FlowTracker(image, truth.astype(np.float32)).carry(image[:50]).trust == 0


def test_the_model_is_asked_about_key_frames_only():
    film, expert = labeler(every=5)
    frames = [scene(10 + step) for step in range(10)]
    labels = list(film.label(image for image, _ in frames))
    assert [label.by for label in labels] == ["key", "flow", "flow", "flow", "flow"] * 2
    assert expert.model.encoded == [1, 1]
    assert min(mask_iou(label.mask, truth) for label, (_, truth) in zip(labels, frames, strict=True)) > 0.75
    assert labels[4].weight <= labels[0].weight


def test_what_is_lost_is_labelled_anew():
    film, _ = labeler(every=50)
    frames = [scene(8), scene(9), scene(60, 50, seed=7), scene(61, 50, seed=7)]
    labels = list(film.label(image for image, _ in frames))
    assert [label.by for label in labels] == ["key", "flow", "lost", "flow"]
    assert mask_iou(labels[2].mask, frames[2][1]) > 0.9
    assert mask_iou(labels[3].mask, frames[3][1]) > 0.75


def test_what_is_not_there_is_looked_for_again_soon():
    film, expert = labeler(every=4)
    frames = [scene(8, shown=False), scene(8, shown=False), scene(8, shown=False), scene(8), scene(9)]
    labels = list(film.label(image for image, _ in frames))
    assert not labels[0].mask.any()
    assert mask_iou(labels[4].mask, frames[4][1]) > 0.75
    assert len(expert.model.encoded) < 5


def test_a_frame_that_the_model_fails_on_is_an_error_in_its_place():
    expert = Expert.load(ExpertSpec(name="red", make=FailsOn))
    said = list(FilmLabeler("the poison", [expert], every=2).label([scene(5)[0]]))
    assert isinstance(said[0], IvmError)


def test_a_folder_of_frames_becomes_a_shard(tmp_path):
    frames = tmp_path / "film-1"
    frames.mkdir()
    for step in range(6):
        (frames / f"{step:03d}.png").write_bytes(encode_picture(scene(10 + step)[0], "png"))
    expert = Expert.load(ExpertSpec(name="red", make=Presence))
    film = label_film(frames, "the red square", expert, tmp_path / "out", every=3, license="CC0-1.0")
    assert (film.frames, film.records, film.keys, film.lost) == (6, 6, 2, 0)
    with Shard(tmp_path / "out" / "film-1.tar") as shard:
        first = shard[0]
        assert (first.uuid, first.license, first.provenance.group) == ("film-1-000", "CC0-1.0", "film-1")
        assert "key" in first.provenance.maker
        assert "flow" in shard[1].provenance.maker
        assert mask_iou(first.mask > 127, scene(10)[1]) > 0.9


def test_an_empty_folder_is_named(tmp_path):
    expert = Expert.load(ExpertSpec(name="red", make=Presence))
    with pytest.raises(OptionError, match="holds no frames"):
        label_film(tmp_path, "the cup", expert, tmp_path / "out")
    with pytest.raises(OptionError, match="every 1 or more"):
        FilmLabeler("the cup", [expert], every=0)
