"""Every kind of picture becomes the same kind of array; everything else becomes one clear error."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivm.core.errors import (
    ImageEmptyError,
    ImageFormatError,
    ImageNotFoundError,
    ImageTooLargeError,
    ImageTruncatedError,
    OptionError,
)
from ivm.core.images import DEFAULT_MAX_PIXELS, load_image

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
TWO_BY_THREE = np.array([[RED, GREEN, BLUE], [WHITE, BLACK, RED]], np.uint8)


def file_bytes(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds almost nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


PNG = file_bytes(Image.fromarray(TWO_BY_THREE))
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


class TestSources:
    def test_a_path_bytes_a_file_pillow_and_an_array_are_the_same_picture(self, tmp_path):
        path = tmp_path / "picture.png"
        path.write_bytes(PNG)
        with path.open("rb") as file:
            sources = [str(path), path, PNG, bytearray(PNG), memoryview(PNG), file, Image.open(path), TWO_BY_THREE]
            for source in sources:
                loaded = load_image(source)
                assert loaded.dtype == np.uint8
                assert loaded.flags.c_contiguous
                np.testing.assert_array_equal(loaded, TWO_BY_THREE)

    def test_the_contents_decide_and_not_the_name(self, tmp_path):
        path = tmp_path / "picture.jpg"
        path.write_bytes(PNG)
        np.testing.assert_array_equal(load_image(path), TWO_BY_THREE)

    def test_a_file_object_is_read_from_where_it_stands(self):
        file = io.BytesIO(b"before" + PNG)
        file.seek(6)
        np.testing.assert_array_equal(load_image(file), TWO_BY_THREE)

    def test_a_pipe_without_seek_works(self):
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb") as file:
            file.write(PNG)
        with os.fdopen(reader, "rb") as file:
            np.testing.assert_array_equal(load_image(file), TWO_BY_THREE)

    def test_the_result_is_new_memory(self):
        source = TWO_BY_THREE.copy()
        load_image(source)[:] = 7
        np.testing.assert_array_equal(source, TWO_BY_THREE)

    def test_a_pillow_picture_is_left_unchanged(self):
        picture = Image.new("P", (2, 2))
        load_image(picture)
        assert picture.mode == "P"

    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "QOI", "JPEG2000"])
    def test_lossless_formats_come_back_exactly(self, kind):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = file_bytes(Image.fromarray(TWO_BY_THREE), kind, **options)
        np.testing.assert_array_equal(load_image(data), TWO_BY_THREE)

    def test_the_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (2, 2), RED), Image.new("RGB", (2, 2), BLUE)]
        assert (load_image(file_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])) == RED).all()


class TestColours:
    @pytest.mark.parametrize(
        ("mode", "value"), [("1", 1), ("L", 255), ("CMYK", (0, 0, 0, 0)), ("YCbCr", (255, 128, 128))]
    )
    def test_white_is_white_in_every_mode(self, mode, value):
        assert (load_image(Image.new(mode, (2, 2), value)) == 255).all()

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
    def test_what_is_transparent_becomes_white(self, mode):
        assert (load_image(Image.new(mode, (2, 2))) == 255).all()

    def test_half_transparent_black_is_mid_grey(self):
        assert (load_image(Image.new("RGBA", (1, 1), (0, 0, 0, 128))) == 127).all()
        np.testing.assert_array_equal(load_image(np.full((1, 1, 4), (10, 20, 200, 255), np.uint8)), [[(10, 20, 200)]])

    def test_a_transparent_palette_colour_becomes_white(self):
        picture = Image.fromarray(np.array([[0, 1]], np.uint8))
        picture.putpalette([255, 0, 0, 0, 0, 255])
        np.testing.assert_array_equal(load_image(file_bytes(picture, transparency=0)), [[WHITE, BLUE]])
        np.testing.assert_array_equal(load_image(file_bytes(picture)), [[RED, BLUE]])

    def test_a_transparent_grey_becomes_white(self):
        picture = Image.fromarray(np.array([[0, 90]], np.uint8))
        np.testing.assert_array_equal(load_image(file_bytes(picture, transparency=0))[:, :, 0], [[255, 90]])

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
    def test_16_bit_grey_is_scaled_not_cut(self, kind):
        deep = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
        loaded = load_image(file_bytes(Image.fromarray(deep), kind))
        np.testing.assert_array_equal(loaded[:, :, 1], [[0, 0, 1, 128, 255]])

    def test_mode_i_is_16_bit(self):
        assert (load_image(Image.new("I", (1, 1), 65535)) == 255).all()
        with pytest.raises(ImageFormatError, match="16 bit"):
            load_image(Image.new("I", (1, 1), 65536))

    def test_a_float_picture_lies_in_0_to_1(self):
        assert (load_image(Image.new("F", (1, 1), 0.5)) == 128).all()
        with pytest.raises(ImageFormatError, match="divide by 255"):
            load_image(Image.new("F", (1, 1), 255.0))

    def test_an_adobe_cmyk_jpeg_has_its_true_colour(self):
        data = file_bytes(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
        assert b"Adobe" in data
        assert np.abs(load_image(data).astype(int) - RED).max() <= 4

    @pytest.mark.parametrize("mode", ["LAB", "HSV", "RGBX"])
    def test_other_colour_spaces_are_opaque(self, mode):
        assert load_image(Image.new(mode, (1, 1))).max() < 255


class TestArrays:
    @pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3)])
    @pytest.mark.parametrize(
        ("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (bool, 1), (np.float32, 1), (float, 1)]
    )
    def test_full_scale_is_255_in_every_dtype(self, shape, dtype, top):
        loaded = load_image(np.full(shape, top, dtype))
        assert loaded.shape == (2, 3, 3)
        assert (loaded == 255).all()

    def test_channels_first_is_named(self):
        with pytest.raises(ImageFormatError, match="transpose"):
            load_image(np.zeros((3, 20, 20), np.uint8))

    @pytest.mark.parametrize("shape", [(5,), (2, 3, 2), (1, 2, 3, 3)])
    def test_other_shapes_are_refused(self, shape):
        with pytest.raises(ImageFormatError, match="must be"):
            load_image(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
    def test_floats_outside_0_to_1_are_refused(self, value):
        with pytest.raises(ImageFormatError, match=r"\[0, 1\]"):
            load_image(np.array([[0.5, value]]))

    def test_other_dtypes_are_refused(self):
        with pytest.raises(ImageFormatError, match="int64"):
            load_image(np.zeros((2, 2), np.int64))

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0, 3)])
    def test_no_pixels(self, shape):
        with pytest.raises(ImageEmptyError):
            load_image(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    """Against the definition: which side of the stored picture is the top, and which the left, of the shown one."""
    stored = Image.fromarray(TWO_BY_THREE)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    shown = stored.transpose(undo[orientation]) if orientation in undo else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(load_image(file_bytes(stored, exif=exif)), np.asarray(shown))


def test_a_damaged_exif_block_does_not_lose_the_picture():
    data = file_bytes(NOISE, "JPEG", exif=b"Exif\x00\x00nonsense")
    assert load_image(data).shape == (64, 64, 3)


class TestMistakes:
    def test_no_such_file(self, tmp_path):
        with pytest.raises(ImageNotFoundError, match=r"no file at '.*absent.jpg'"):
            load_image(tmp_path / "absent.jpg")

    @pytest.mark.parametrize("path", ["a\0b.png", "x" * 5000, "https://example.org/cup.jpg"])
    def test_what_cannot_be_a_path(self, path):
        with pytest.raises(ImageNotFoundError):
            load_image(path)

    def test_a_folder(self, tmp_path):
        with pytest.raises(ImageFormatError, match="folder"):
            load_image(tmp_path)

    @pytest.mark.parametrize(
        "content",
        [b"hello, this is text", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"B", b"<svg/>", b"\0\0\0\x18ftypheic" + b"\0" * 20],
    )
    def test_not_a_picture(self, tmp_path, content):
        path = tmp_path / "text.jpg"
        path.write_bytes(content)
        with pytest.raises(ImageFormatError, match=r"text\.jpg"):
            load_image(path)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
    def test_a_truncated_file(self, tmp_path, kind, share):
        data = file_bytes(NOISE, kind)
        path = tmp_path / "cut"
        path.write_bytes(data[: max(int(len(data) * share), 8)])
        with pytest.raises(ImageTruncatedError, match=r"cut' is cut short or damaged: copy or download it again$"):
            load_image(path)

    def test_0_bytes(self, tmp_path):
        path = tmp_path / "empty.png"
        path.touch()
        for source in (path, b"", io.BytesIO()):
            with pytest.raises(ImageEmptyError, match="empty"):
                load_image(source)

    @pytest.mark.parametrize("side", [14_000, 40_000])
    def test_a_huge_header_is_refused_before_anything_is_decoded(self, side):
        with pytest.raises(ImageTooLargeError, match=f"{side} x {side}"):
            load_image(png_header(side, side))

    def test_max_pixels_replaces_pillows_limits_without_a_warning(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
        for kind in ("PNG", "TIFF", "JPEG"):
            assert load_image(file_bytes(Image.new("RGB", (1, 2)), kind), max_pixels=2).shape == (2, 1, 3)

    def test_the_limit_holds_for_arrays_and_pillow_too(self):
        for source in (TWO_BY_THREE, Image.fromarray(TWO_BY_THREE), PNG):
            with pytest.raises(ImageTooLargeError, match="limit 5 pixels"):
                load_image(source, max_pixels=5)
            assert load_image(source, max_pixels=6).shape == (2, 3, 3)

    @pytest.mark.parametrize("limit", [0, -1, 1.5, True, "many"])
    def test_a_limit_that_is_none(self, limit):
        with pytest.raises(OptionError, match="max_pixels"):
            load_image(PNG, max_pixels=limit)

    def test_a_text_file_object(self):
        with pytest.raises(ImageFormatError, match="'rb'"):
            load_image(io.StringIO("text"))

    def test_something_else(self):
        with pytest.raises(ImageFormatError, match="int"):
            load_image(42)

    def test_the_default_limit_is_that_of_pillow(self):
        assert 2 * (Image.MAX_IMAGE_PIXELS or 0) == DEFAULT_MAX_PIXELS


def test_a_path_like_of_any_kind(tmp_path):
    class Here(os.PathLike):
        def __fspath__(self):
            return str(tmp_path / "p.png")

    Path(Here()).write_bytes(PNG)
    assert load_image(Here()).shape == (2, 3, 3)
