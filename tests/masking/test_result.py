"""`MaskResult` as a value, a mapping and a set of pictures that fit together."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given

from ivm.core.errors import ImageNotFoundError, MissingExtraError, OptionError, ThresholdError
from ivm.masking import MORE_PICTURES, PAPER_KEYS, MaskResult, bounding_box, decode_rle
from mask_strategies import HEATMAPS, KERNELS, THRESHOLDS, picture_of

PICTURES = ("blur_image", "highlight_image", "alpha_image", *MORE_PICTURES)
IMAGE = np.random.default_rng(5).integers(0, 256, (40, 60, 3), np.uint8)


def square(found=None, **options):
    """The target is rows 10 to 19, columns 20 to 34."""
    soft = np.zeros((40, 60), np.float32)
    soft[10:20, 20:35] = 0.75
    return MaskResult.from_heatmap(
        IMAGE, soft, found=found, **{"dilate_kernel_size": 5, "blur_kernel_size": 9, **options}
    )


class TestMapping:
    def test_it_has_the_papers_seven_keys_in_order(self):
        result = square()
        assert list(result) == list(PAPER_KEYS)
        assert len(result) == 7
        assert all(result[key] is getattr(result, key) or "crop" in key for key in result)

    def test_other_names_are_no_keys(self):
        result = square()
        assert "grayscale_image" not in result
        assert result.get("image") is None
        with pytest.raises(KeyError):
            result["image"]

    def test_it_is_read_only(self):
        result = square()
        with pytest.raises(TypeError):
            result["soft"] = 1
        with pytest.raises(AttributeError):
            result.threshold = 0.1
        for name in (*PAPER_KEYS, *PICTURES, "binary", "image"):
            assert not getattr(result, name).flags.writeable, name

    def test_asking_what_is_in_it_renders_nothing(self):
        result = square()
        assert "blur_image" in result
        assert "blur_image" not in vars(result)

    def test_a_picture_is_rendered_once(self):
        result = square()
        assert all(getattr(result, name) is getattr(result, name) for name in PICTURES)


class TestValue:
    def test_equal_by_content(self):
        assert square() == square()
        assert hash(square()) == hash(square())
        assert square() != square(threshold=0.6)
        assert square() != square(dilate_kernel_size=7)
        assert square() != "square"

    def test_pickling_keeps_the_value_and_not_the_pictures(self):
        result = square(found=0.9)
        bare = len(pickle.dumps(result))
        assert result.blur_image is not None
        data = pickle.dumps(result)
        assert len(data) <= bare
        assert pickle.loads(data) == result

    def test_what_the_caller_changes_later_changes_nothing(self):
        image, soft = IMAGE.copy(), np.full((40, 60), 0.75, np.float32)
        result = MaskResult.from_heatmap(image, soft)
        image[:], soft[:] = 0, 0
        np.testing.assert_array_equal(result.image, IMAGE)
        assert result.soft.min() == 0.75
        assert image.flags.writeable
        assert soft.flags.writeable

    def test_a_read_only_picture_is_not_copied(self):
        image = IMAGE.copy()
        image.setflags(write=False)
        assert MaskResult.from_heatmap(image, np.zeros((40, 60))).image is image

    def test_what_it_says_of_itself(self):
        assert repr(square(found=0.9)) == (
            "<MaskResult 60 x 40, bbox (16, 6, 39, 24), 6.2% of the picture, threshold 0.5, found 0.90>"
        )
        assert "kept whole" in repr(square(threshold=0.8))

    def test_the_summary_is_json(self):
        summary = json.loads(json.dumps(square(found=np.float32(0.5)).summary()))
        assert summary["bbox"] == [16, 6, 39, 24]
        assert summary["target_bbox"] == [20, 10, 35, 20]
        assert (summary["area"], summary["coverage"], summary["kept_whole"]) == (150, 0.0625, False)
        assert (summary["found"], summary["preset"], summary["threshold"]) == (0.5, "paper", 0.5)


class TestPictures:
    def test_shapes_and_dtypes(self):
        result = square()
        for key in ("soft", "hard"):
            assert (result[key].shape, result[key].dtype) == ((40, 60), np.float32)
        for name in PICTURES:
            picture = getattr(result, name)
            assert (picture.shape, picture.dtype) == ((40, 60, 4 if name == "alpha_image" else 3), np.uint8)

    def test_inside_the_picture_and_outside_the_colour(self):
        result = square(fill_color=(1, 2, 3))
        np.testing.assert_array_equal(result.highlight_image[10:20, 20:35], IMAGE[10:20, 20:35])
        outside = result.hard == 0
        assert (result.highlight_image[outside] == (1, 2, 3)).all()

    def test_grey_outside(self):
        result = square()
        assert np.ptp(result.grayscale_image[result.hard == 0].astype(int), axis=1).max() == 0

    def test_inpainting_keeps_the_target_and_takes_the_other_thing_away(self):
        image = np.full((60, 80, 3), 150, np.uint8)
        image[20:40, 10:30] = (255, 0, 0)
        image[20:40, 50:70] = (0, 0, 255)
        soft = np.zeros((60, 80), np.float32)
        soft[20:40, 10:30] = 1
        inpainted = MaskResult.from_heatmap(image, soft, dilate_kernel_size=5).inpaint_image
        np.testing.assert_array_equal(inpainted[20:40, 10:30], image[20:40, 10:30])
        assert np.abs(inpainted[:, 40:].astype(int) - 150).max() <= 3

    def test_inpainting_around_a_target_that_fills_the_picture_changes_nothing(self):
        whole = MaskResult.from_heatmap(IMAGE, np.ones((40, 60)))
        np.testing.assert_array_equal(whole.inpaint_image, IMAGE)

    def test_the_heatmap_is_red_on_the_target_and_blue_off_it(self):
        soft = np.zeros((40, 60), np.float32)
        soft[:, 30:] = 0.98
        shown = MaskResult.from_heatmap(np.full((40, 60, 3), 128, np.uint8), soft).heatmap_image.astype(int)
        assert shown[0, 0, 2] > shown[0, 0, 0]
        assert shown[0, -1, 0] > shown[0, -1, 2] + 50

    def test_v1_goes_by_the_height(self):
        soft = np.zeros((200, 300), np.float32)
        soft[100, 150] = 1
        result = MaskResult.from_heatmap(np.zeros((200, 300, 3), np.uint8), soft, preset="v1", overlay_color=(9, 8, 7))
        assert result.bbox == (130, 80, 171, 121)
        assert (result.highlight_image[0, 0] == (9, 8, 7)).all()

    @pytest.mark.parametrize("options", [{"threshold": 0.8}, {"found": 0.49}, {"threshold": 0.75}])
    def test_the_whole_picture_is_kept_where_nothing_is_found(self, options):
        result = square(**options)
        assert result.kept_whole
        assert (result.area, result.target_bbox, result.bbox) == (0, None, (0, 0, 60, 40))
        assert (result.hard == 1).all()
        assert (result.alpha_image[:, :, 3] == 255).all()
        for name in ("blur_image", "highlight_image", "cropped_blur_img", "cropped_highlight_img", "inpaint_image"):
            np.testing.assert_array_equal(getattr(result, name), IMAGE)
        assert result.soft.max() == 0.75

    def test_found_above_half_masks(self):
        assert not square(found=0.5).kept_whole


class TestProperties:
    @given(HEATMAPS, THRESHOLDS, KERNELS)
    def test_the_mask_covers_the_target_and_the_crop_is_the_box_of_the_mask(self, soft, threshold, kernel):
        image = picture_of(soft)
        result = MaskResult.from_heatmap(image, soft, threshold, dilate_kernel_size=kernel, blur_kernel_size=3)
        np.testing.assert_array_equal(result.binary, soft > np.float32(threshold))
        assert (result.hard >= result.binary - np.float32(1e-6)).all()
        assert result.hard.min() >= 0
        assert result.hard.max() <= 1
        assert result.bbox == bounding_box(result.hard > 0)
        x0, y0, x1, y1 = result.bbox
        np.testing.assert_array_equal(result.cropped_highlight_img, result.highlight_image[y0:y1, x0:x1])
        np.testing.assert_array_equal(result.highlight_image[result.hard == 1], image[result.hard == 1])
        np.testing.assert_array_equal(result.blur_image[result.hard == 1], image[result.hard == 1])
        np.testing.assert_array_equal(result.alpha_image[:, :, :3], image)

    @given(HEATMAPS, THRESHOLDS, THRESHOLDS, KERNELS)
    def test_a_higher_threshold_keeps_less(self, soft, one, other, kernel):
        low, high = sorted((one, other))
        loose, strict = (
            MaskResult.from_heatmap(picture_of(soft), soft, level, dilate_kernel_size=kernel) for level in (low, high)
        )
        assert strict.area <= loose.area
        assert not (strict.binary & ~loose.binary).any()
        if not strict.kept_whole:
            assert (strict.hard <= loose.hard + np.float32(1e-6)).all()

    @given(HEATMAPS, THRESHOLDS)
    def test_run_lengths_hold_the_target(self, soft, threshold):
        result = MaskResult.from_heatmap(picture_of(soft), soft, threshold)
        for compressed in (True, False):
            np.testing.assert_array_equal(decode_rle(result.to_rle(compressed)), result.binary)


class TestLogits:
    def test_the_same_as_the_heatmap_they_give(self):
        logits = np.linspace(-6, 6, 10 * 15, dtype=np.float32).reshape(10, 15)
        result = MaskResult.from_logits(IMAGE, logits, 0.3)
        again = MaskResult.from_heatmap(IMAGE, result.soft, 0.3)
        for key in PAPER_KEYS:
            np.testing.assert_array_equal(result[key], again[key])

    @pytest.mark.parametrize(("threshold", "area"), [(0, 2400), (1, 0)])
    def test_the_ends_of_the_range(self, threshold, area):
        for value in (-200, 200):
            assert MaskResult.from_logits(IMAGE, np.full((2, 2), value, np.float32), threshold).area == area

    def test_half_precision_is_welcome(self):
        assert MaskResult.from_logits(IMAGE, np.ones((2, 2), np.float16)).area == 2400


class TestMistakes:
    def test_each_has_its_error(self, tmp_path):
        soft = np.zeros((40, 60), np.float32)
        with pytest.raises(ThresholdError):
            MaskResult.from_heatmap(IMAGE, soft, float("nan"))
        with pytest.raises(OptionError, match="40 x 60"):
            MaskResult.from_heatmap(IMAGE, soft.T)
        with pytest.raises(OptionError, match="preset"):
            MaskResult.from_heatmap(IMAGE, soft, preset="v2")
        with pytest.raises(OptionError, match="found"):
            MaskResult.from_heatmap(IMAGE, soft, found=2)
        with pytest.raises(ImageNotFoundError):
            MaskResult.from_heatmap(tmp_path / "absent.png", soft)


class TestDetections:
    def test_one_detection(self):
        pytest.importorskip("supervision", reason="builds supervision's Detections")
        detections = square().to_detections()
        np.testing.assert_array_equal(detections.xyxy, [[20, 10, 35, 20]])
        np.testing.assert_array_equal(detections.mask[0], square().binary)
        assert detections.confidence == pytest.approx([0.75])
        assert square(found=0.9).to_detections().confidence == pytest.approx([0.9])

    def test_none_where_nothing_is_found(self):
        pytest.importorskip("supervision", reason="builds supervision's Detections")
        assert len(square(found=0.1).to_detections()) == 0

    def test_without_supervision_the_error_names_it(self):
        try:
            import supervision  # noqa: F401
        except ImportError:
            with pytest.raises(MissingExtraError, match="supervision"):
                square().to_detections()
        else:
            pytest.skip("supervision is installed")
