import json
import warnings

import cv2
import numpy as np
import pytest

from data_sets import make_record, picture, save, square
from ivm.core.errors import ImageTruncatedError, RecordError
from ivm.core.images import load_image
from ivm.data.boxes import box_to_pixels, boxes_to_mask
from ivm.data.coding import MaskCode, decode_picture, encode_mask, encode_picture, scaled_as_original
from ivm.data.faults import BadRecordError
from ivm.data.record import Provenance, Record


def test_a_record_keeps_what_it_was_given():
    record = make_record(3, image=encode_picture(picture(3), "png"))
    np.testing.assert_array_equal(record.image, picture(3))
    np.testing.assert_array_equal(record.mask, square(3))
    assert record.instructions == ("the red cup", "pick up the red cup")
    assert (record.source, record.weight, record.license, record.present) == ("human", 0.5, "CC-BY-4.0", True)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"uuid": ""}, "uuid"),
        ({"uuid": "../x"}, "uuid"),
        ({"uuid": 3}, "uuid"),
        ({"uuid": "x" * 129}, "uuid"),
        ({"image": b""}, "missing-picture"),
        ({"instructions": []}, "instruction"),
        ({"instructions": "the cup"}, "instruction"),
        ({"instructions": ["the cup", " "]}, "instruction"),
        ({"instructions": [3]}, "instruction"),
        ({"source": "robot"}, "source"),
        ({"license": ""}, "license"),
        ({"weight": -1}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": True}, "weight"),
        ({"mask": square(height=10)}, "size"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_at_birth(change, kind):
    with pytest.raises(BadRecordError) as caught:
        make_record(**change)
    assert caught.value.kind == kind


def test_pixels_of_two_sizes_are_refused_when_looked_at():
    record = make_record(image=encode_picture(picture(1, 10, 12)))
    with pytest.raises(BadRecordError, match="32x24 pixels and the picture 12x10"):
        record.pixels()


def test_json_and_back():
    record = make_record(5)
    told = json.loads(json.dumps(record.to_json()))
    assert Record.from_json(told, picture=record.picture, mask_code=None) == record


def test_provenance_is_text():
    with pytest.raises(RecordError, match='"split" must be text'):
        Provenance(split=3)
    assert Provenance.from_json({"dataset": "a", "new": 1}) == Provenance(dataset="a")


@pytest.mark.parametrize("values", [[0, 255], [0, 7, 128, 254, 255], [0], [255]])
@pytest.mark.parametrize("runs", [True, False])
def test_a_mask_is_kept_without_loss(values, runs):
    mask = np.random.default_rng(0).choice(np.array(values, np.uint8), (7, 9))
    code = encode_mask(mask, runs=runs)
    assert code.kind == ("rle" if runs and set(values) <= {0, 255} else "png")
    np.testing.assert_array_equal(code.decode(), mask)


def test_the_originals_scaling():
    grey = np.array([[0, 34, 85, 170, 255]], np.uint8)  # times 1.5: 0, 51, 127.5, 255, 382.5
    assert scaled_as_original(grey).tolist() == [[0, 51, 128, 255, 255]]
    assert scaled_as_original(grey[:, 1:3]).tolist() == [[0, 255]]  # stretched
    assert scaled_as_original(np.array([[200, 180]], np.uint8)).tolist() == [[255, 255]]  # both saturate


@pytest.mark.parametrize(("value", "means"), [(0, 0), (1, 255), (255, 255)])
def test_a_constant_mask_is_no_division_by_zero(value, means):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scaled_as_original(np.full((2, 2), value, np.uint8)).tolist() == [[means] * 2] * 2


def test_a_mask_that_is_no_picture():
    with pytest.raises(RecordError, match="not a picture"):
        MaskCode("png", b"nothing").decode()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("grey", [False, True])
def test_pictures_are_decoded_to_the_pixels_of_load_image(tmp_path, suffix, grey):
    path = tmp_path / f"a{suffix}"
    save(path, picture(1)[..., 0] if grey else picture(1))
    np.testing.assert_array_equal(decode_picture(path.read_bytes()), load_image(path))


def test_a_picture_lying_on_its_side_is_turned():
    from io import BytesIO

    from PIL import Image

    lying, file = Image.fromarray(picture(1)), BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(file, "JPEG", exif=exif)
    assert decode_picture(file.getvalue()).shape == (32, 24, 3)


@pytest.mark.parametrize("missing", [3, 20, 100, 1000])
def test_a_cut_jpeg_is_an_error_and_no_grey_bar(missing):
    code = encode_picture(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(ImageTruncatedError):
        decode_picture(code[:-missing])


def test_boxes_in_both_conventions():
    # A picture of 40x20 lies in the middle of a square of 40: rows 10 to 30.
    assert box_to_pixels([0.25, 0.25, 0.75, 0.75], 40, 20, "padded") == (10, 0, 30, 20)
    assert box_to_pixels([0.25, 0.25, 0.75, 0.75], 40, 20, "plain") == (10, 5, 30, 15)
    assert box_to_pixels([0.0, 0.5, 0.5, 1.0], 20, 40, "padded") == (0, 20, 10, 40)


def test_boxes_as_a_mask():
    mask = boxes_to_mask([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], 4, 2, "plain")
    assert (mask // 255).tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert (boxes_to_mask([0, 0, 0.5, 1], 4, 2, "plain") // 255).tolist() == [[1, 1, 0, 0]] * 2


@pytest.mark.parametrize(
    "boxes", [[], None, [[0, 0, 1]], [[0, 0, 2, 1]], [["a", 0, 1, 1]], [[0.5, 0, 0.5, 1]], [[0, 0, 1, 0.2]], [1, 2]]
)
def test_impossible_boxes(boxes):
    with pytest.raises(BadRecordError) as caught:
        boxes_to_mask(boxes, 40, 20, "padded")
    assert caught.value.kind == "box"


def test_opencv_and_pillow_agree_on_plain_jpeg():
    """The quick way must be taken at all, or the test above compares one reader with itself."""
    from ivm.data.coding import _plain_jpeg

    assert _plain_jpeg(encode_picture(picture(1)))
    assert not _plain_jpeg(encode_picture(picture(1), "png"))
    assert not _plain_jpeg(encode_picture(picture(1))[:-20])
    assert cv2.IMREAD_COLOR_RGB
