"""What photos the weights that the package brings are trained on."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from scripts import photo_labels

from ivm.data.shards import Shard, shards_of
from ivm.data.sources.coco import PHOTO_LICENSES

SPARE = [f"thing {number}" for number in range(photo_labels.ABSENT)]
"""Names enough to ask for what is not there."""


def records(folder):
    found = []
    for path in shards_of(folder):
        with Shard(path) as shard:
            found += [shard[number] for number in range(len(shard))]
    return found


@pytest.fixture
def photos(tmp_path):
    """A photo for each licence that COCO knows, one without a licence, and one that is for validation."""
    folder = tmp_path / "photos"
    for part in ("images", "instances"):
        (folder / part).mkdir(parents=True)
    listed = [(f"{number}.jpg", number, "train") for number in PHOTO_LICENSES]
    listed += [("unknown.jpg", None, "train"), ("later.jpg", 4, "val")]
    images = []
    for file, license_id, split in listed:
        Image.new("RGB", (20, 10)).save(folder / "images" / file)
        numbers = np.zeros((10, 20), np.uint8)
        numbers[2:6, 3:9] = 1
        Image.fromarray(numbers).save(folder / "instances" / file.replace("jpg", "png"))
        dog = {"id": 1, "name": "dog", "crowd": False}
        # What the one for validation shows beside the dog, the others are asked for in vain.
        others = [{"id": 2 + n, "name": name, "crowd": False} for n, name in enumerate(SPARE)] if split == "val" else []
        images.append({"file": file, "license_id": license_id, "split": split, "objects": [dog, *others]})
    (folder / "index.json").write_text(json.dumps({"images": images}))
    return folder


@pytest.fixture
def labels(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["photo_labels.py", str(photos), "-o", str(tmp_path / "out")])
    photo_labels.main()
    return tmp_path / "out"


def test_only_photos_for_training_whose_licence_lets_weights_be_given_away(capsys, labels):
    assert capsys.readouterr().out == "3 photos, 3 labels\n"
    people = records(labels / "people")
    assert {record.license for record in people} == {"CC-BY-2.0", "CC-BY-SA-2.0", "no known copyright restrictions"}
    assert {record.provenance.item for record in people} == {"4.jpg", "5.jpg", "7.jpg"}
    assert all((record.pixels()[1] > 0).sum() == 24 for record in people)


def test_photos_are_asked_for_what_they_do_not_show(labels):
    absent = records(labels / "absent")
    assert len(absent) == 3
    for record in absent:
        assert not record.present
        assert not record.pixels()[1].any()
        assert set(record.instructions) == {f"the {name}" for name in SPARE}
