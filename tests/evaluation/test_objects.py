import json

import numpy as np
import pytest
from PIL import Image

from ivm.core.errors import ImageFormatError, ImageNotFoundError, RecordError
from ivm.evaluation.objects import LabelledObject, read_objects


def test_a_manifest_gives_one_object_an_entry(folder):
    objects = read_objects(folder)
    assert [(one.image.name, one.name) for one in objects] == [
        ("a.png", "the red bar"),
        ("a.png", "the green bar"),
        ("b.png", "the red bar"),
    ]


def test_the_mask_is_true_on_the_object(folder):
    truth = read_objects(folder)[0].truth((8, 6))
    assert truth.dtype == bool
    assert truth.sum() == 8
    assert truth[2:6, 0:2].all()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "must be a list of objects"),
        ('{"image": "a.png"}', "must be a list of objects"),
        ('[{"image": "a.png", "mask": "m.png"}]', "entry 1: expected the texts"),
        ('[{"image": "a.png", "mask": "m.png", "instruction": " "}]', "entry 1: expected the texts"),
        ('["a.png"]', "entry 1: expected the texts"),
    ],
)
def test_a_manifest_that_is_none_is_named(tmp_path, content, what):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RecordError, match=what) as raised:
        read_objects(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_a_mask_of_another_size_is_refused(folder):
    with pytest.raises(ImageFormatError, match="has 6x8 pixels, its picture 8x6"):
        read_objects(folder)[0].truth((6, 8))


def test_a_mask_without_an_object_is_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(ImageFormatError, match="marks no pixel"):
        LabelledObject(image=tmp_path / "a.png", mask=tmp_path / "m.png", name="the cup").truth((4, 4))


def test_a_missing_mask_is_named(folder):
    (folder / "a-red-mask.png").unlink()
    with pytest.raises(ImageNotFoundError, match="a-red-mask"):
        read_objects(folder)[0].truth((8, 6))


def test_further_keys_of_an_entry_are_left_alone(folder):
    entries = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps([entry | {"area": 8} for entry in entries]))
    assert len(read_objects(folder)) == 3
