from __future__ import annotations

import io
import itertools
import json
import threading

import numpy as np
import pytest
from PIL import Image

from fake_models import Answers, FailsOn, RedModel, red_at
from ivm.core.errors import (
    BatchError,
    ImageFormatError,
    ImageNotFoundError,
    InputError,
    InstructionError,
    IvmError,
    ModelError,
    OptionError,
    ThresholdError,
)
from ivm.inference.masker import Masker, PicturesFailedError
from ivm.masking import MaskResult

STYLE = {"dilate_kernel_size": 1, "blur_kernel_size": 3}


@pytest.fixture
def model():
    return RedModel()


@pytest.fixture
def masker(model):
    return Masker(model)


def column(result: MaskResult) -> int:
    """The x at which the only column of the target lies."""
    assert result.target_bbox is not None
    return result.target_bbox[0]


def test_one_call_gives_the_seven_pictures(masker):
    result = masker(red_at(3), "the red cup", threshold=0.5, **STYLE)
    assert set(result) == {
        "soft", "hard", "blur_image", "highlight_image", "cropped_blur_img", "cropped_highlight_img", "alpha_image"
    }  # fmt: skip
    assert result.found == pytest.approx(0.9)
    assert column(result) == 3
    assert (result["highlight_image"][:, 3] == (255, 0, 0)).all()
    assert (result["highlight_image"][:, 4] == 255).all()


def test_threshold_may_be_positional_and_is_used(masker):
    assert masker(red_at(3), "cup", 0.99).threshold == 0.99
    assert masker(red_at(3), "cup", 0.99, **STYLE).area == 8
    assert masker(red_at(3), "cup", 0.995, **STYLE).kept_whole


def test_where_nothing_is_found_the_picture_is_whole(masker):
    result = masker(red_at(3), "nothing")
    assert result.kept_whole
    assert (result["blur_image"] == red_at(3)).all()


def test_the_result_does_not_follow_the_caller_array(masker):
    image = red_at(3)
    result = masker(image, "cup", **STYLE)
    image[:] = 0
    assert (result["highlight_image"][:, 3] == (255, 0, 0)).all()


def test_instruction_is_checked_and_cleaned(masker, model):
    masker(red_at(3), "  the\tred  cup ")
    assert model.asked == [["the red cup"]]
    with pytest.raises(InstructionError):
        masker(red_at(3), "")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"threshold": float("nan")}, ThresholdError),
        ({"threshold": 1.5}, ThresholdError),
        ({"blur_kernel_size": 4}, OptionError),
        ({"preset": "v9"}, OptionError),
        ({"shape": "round"}, OptionError),
    ],
)
def test_wrong_options_are_told_before_the_model_works(masker, model, options, error):
    for call in (
        lambda: masker(red_at(3), "cup", **options),
        lambda: masker.batch([red_at(3)], "cup", on_error="return", **options),
        lambda: masker.stream([red_at(3)], "cup", **options),
    ):
        with pytest.raises(error):
            call()
    assert model.encoded == []


def test_batch_mixes_sizes_and_kinds_in_order(masker, tmp_path):
    Image.fromarray(red_at(2)).save(tmp_path / "a.png")
    images = [red_at(5, 16), tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(red_at(4))]
    results = masker.batch(images, ["a", "b", "c", "d"], batch_size=3, **STYLE)
    assert [column(result) for result in results] == [5, 2, 2, 4]


def test_one_instruction_for_all_and_all_for_one(masker, model):
    assert len(masker.batch([red_at(1), red_at(2)], "cup", **STYLE)) == 2
    assert [r.kept_whole for r in masker.batch(red_at(1), ["cup", "nothing", "cup"], **STYLE)] == [False, True, False]
    assert model.encoded == [2, 1]
    assert len(masker.batch(np.stack([red_at(1), red_at(2)]), "cup", **STYLE)) == 2
    assert masker.batch([], "cup") == []


def test_one_file_object_for_all_instructions(masker):
    file = io.BytesIO()
    Image.fromarray(red_at(1)).save(file, "png")
    file.seek(0)
    results = masker.batch(file, ["cup", "nothing", "cup"], batch_size=2, **STYLE)
    assert [result.kept_whole for result in results] == [False, True, False]


def test_a_picture_of_several_questions_is_loaded_once(masker):
    file = io.BytesIO()
    Image.fromarray(red_at(1)).save(file, "png")
    file.seek(0)
    assert len(masker.batch([file] * 3, ["a", "b", "c"], **STYLE)) == 3  # a second reading would find it empty


def test_lists_of_different_length(masker):
    with pytest.raises(InputError, match="2 images do not go with 3 instructions"):
        masker.batch([red_at(1), red_at(2)], ["a", "b", "c"])


def test_bad_items_leave_the_others_alone(masker, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    images = [red_at(1), tmp_path / "text.jpg", tmp_path / "gone.png", red_at(4), red_at(5)]
    results = masker.batch(images, ["a", "b", "c", "", "e"], batch_size=2, on_error="return", **STYLE)
    assert [type(item) for item in results] == [
        MaskResult, ImageFormatError, ImageNotFoundError, InstructionError, MaskResult
    ]  # fmt: skip


def test_raise_comes_after_all_others_are_done(masker, model):
    with pytest.raises(BatchError, match=r"1 of 3 items failed, the first is item 1") as caught:
        masker.batch([red_at(1), red_at(2), red_at(3)], ["a", "", "c"], batch_size=1, **STYLE)
    assert isinstance(caught.value, PicturesFailedError)
    assert [isinstance(item, MaskResult) for item in caught.value.results] == [True, False, True]
    assert model.asked == [["a"], ["c"]]


def test_a_question_on_which_the_model_fails_is_singled_out():
    results = Masker(FailsOn()).batch([red_at(x) for x in range(4)], ["a", "b", "poison", "d"], on_error="return")
    assert [isinstance(item, ModelError) for item in results] == [False, False, True, False]


def test_on_error_is_one_of_two(masker):
    with pytest.raises(OptionError, match="on_error"):
        masker.batch([red_at(1)], "a", on_error="ignore")  # type: ignore[call-overload]


def test_batch_size_bounds_what_the_model_gets(masker, model):
    masker.batch([red_at(x % 8) for x in range(10)], "cup", batch_size=4)
    assert model.encoded == [4, 4, 2]
    with pytest.raises(OptionError, match="batch size"):
        masker.batch([red_at(1)], "cup", batch_size=0)


def test_each_is_lazy_and_bounded(masker):
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield red_at(number % 8), "cup"

    items = masker.each(endless(), batch_size=4, **STYLE)
    assert read == []
    first = list(itertools.islice(items, 5))
    assert [column(item) for item in first if isinstance(item, MaskResult)] == [0, 1, 2, 3, 4]
    assert len(read) <= 12
    before = threading.active_count()
    items.close()
    assert threading.active_count() <= before


def test_a_picture_is_encoded_once_for_all_its_questions(masker, model):
    with masker.open(red_at(6)) as view:
        assert column(view("cup", **STYLE)) == 6
        assert view("nothing").kept_whole
        assert [r.kept_whole for r in view.many(["cup", "nothing"], 0.5, **STYLE)] == [False, True]
        assert view.many([]) == []
    assert model.encoded == [1]
    assert model.asked == [["cup"], ["nothing"], ["cup", "nothing"]]


def test_a_closed_view_says_so(masker):
    view = masker.open(red_at(6))
    view.close()
    with pytest.raises(InputError, match="closed"):
        view("cup")


def test_stream_answers_each_frame_before_it_reads_the_next(masker):
    read = []

    def camera():
        buffer = np.zeros((8, 8, 3), np.uint8)
        for x in range(3):
            read.append(x)
            buffer[:] = red_at(x)
            yield buffer

    frames = masker.stream(camera(), "cup", **STYLE)
    first = next(frames)
    assert read == [0]
    assert [column(one) for one in [first, *frames]] == [0, 1, 2]
    assert (first["highlight_image"][:, 0] == (255, 0, 0)).all()


@pytest.mark.parametrize("batch_size", [1, 2])
def test_stream_of_pairs_and_a_reused_buffer(masker, batch_size):
    buffer = np.zeros((8, 8, 3), np.uint8)

    def camera():
        for x, instruction in enumerate(["cup", "nothing", "cup"]):
            buffer[:] = red_at(x)
            yield buffer, instruction

    results = list(masker.stream(camera(), batch_size=batch_size, **STYLE))
    assert [r.kept_whole for r in results] == [False, True, False]
    assert [column(results[0]), column(results[2])] == [0, 2]


def test_a_bad_frame_ends_the_stream(masker):
    frames = masker.stream([red_at(1), np.zeros((8, 8), np.complex64), red_at(3)], "cup", **STYLE)
    assert column(next(frames)) == 1
    with pytest.raises(ImageFormatError):
        next(frames)


MAP = np.zeros((2, 2), np.float32)


@pytest.mark.parametrize(
    ("logits", "presence", "message"),
    [
        ([], np.ones(0), "gave 0 maps"),
        ([MAP], np.ones((1, 1)), "presence"),
        ([MAP], np.array([1.5]), "not in"),
        ([MAP], np.array([np.nan]), "not in"),
        ([MAP + np.nan], np.ones(1), "not numbers"),
        ([MAP - np.inf], np.ones(1), "not numbers"),
        ([MAP[0]], np.ones(1), "not \\(h, w\\)"),
        ([MAP[:0]], np.ones(1), "not \\(h, w\\)"),
        ([MAP.astype(np.int32)], np.ones(1), "not \\(h, w\\)"),
    ],
)
def test_broken_answers_are_caught_at_the_seam(logits, presence, message):
    with pytest.raises(ModelError, match=message):
        Masker(Answers(logits, presence))(red_at(1), "cup")


def test_one_broken_answer_of_a_batch():
    model = Answers([MAP + 5, MAP + np.nan], np.ones(2))
    results = Masker(model).batch([red_at(1), red_at(2)], "cup", on_error="return")
    assert [isinstance(item, IvmError) for item in results] == [False, True]


def test_encode_must_answer_every_picture():
    class Lazy(RedModel):
        def encode(self, images):
            return []

    with pytest.raises(ModelError, match="encoded 0 pictures of 1"):
        Masker(Lazy())(red_at(1), "cup")


def test_summary_is_json(masker):
    assert json.dumps(masker(red_at(1), "cup").summary())
