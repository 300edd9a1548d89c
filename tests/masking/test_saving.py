"""Files: what is written, where, and that nothing half-written stays."""

from __future__ import annotations

import errno
import io

import numpy as np
import pytest
from PIL import Image

from ivm.core.errors import DiskFullError, OptionError, OutputError
from ivm.core.files import output_error, write_files
from ivm.masking import MORE_PICTURES, PAPER_KEYS, MaskResult

IMAGE = np.random.default_rng(5).integers(0, 256, (40, 60, 3), np.uint8)
SOFT = np.zeros((40, 60), np.float32)
SOFT[10:20, 20:35] = 0.75
RESULT = MaskResult.from_heatmap(IMAGE, SOFT, dilate_kernel_size=5)


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_the_seven_come_back_as_they_were(tmp_path):
    paths = RESULT.save(tmp_path / "new" / "folder")
    assert list(paths) == list(PAPER_KEYS)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(
        f"{k}.png" for k in PAPER_KEYS
    )
    for key, path in paths.items():
        shown = RESULT[key] * 255 if RESULT[key].dtype == np.float32 else RESULT[key]
        np.testing.assert_array_equal(read(path), np.rint(shown).astype(np.uint8))


def test_names_stem_and_format(tmp_path):
    paths = RESULT.save(tmp_path, ["blur_image", "alpha_image", *MORE_PICTURES, "contact_sheet"], "cup", "jpg")
    assert paths["blur_image"] == tmp_path / "cup_blur_image.jpg"
    assert paths["alpha_image"] == tmp_path / "cup_alpha_image.png"
    assert paths["contact_sheet"].stat().st_size > 10_000
    assert np.abs(read(paths["blur_image"]).astype(int) - RESULT.blur_image).mean() < 8


@pytest.mark.parametrize("options", [{"names": ["blur"]}, {"format": "gif"}, {"stem": "../up"}, {"stem": "a/b"}])
def test_what_cannot_be_asked_for(tmp_path, options):
    with pytest.raises(OptionError):
        RESULT.save(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="choose another folder"):
            RESULT.save(folder)
    assert (tmp_path / "file").read_text() == "here"


def test_a_failure_midway_leaves_nothing_and_keeps_what_was_there(tmp_path):
    (tmp_path / "a").write_bytes(b"old")

    def files():
        yield tmp_path / "a", b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files(files())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_what_was_there_is_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    assert write_files([(tmp_path / "a", b"new")]) == [tmp_path / "a"]
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EDQUOT, DiskFullError)])
def test_a_full_disk_has_its_own_error(number, kind):
    assert type(output_error("out/a.png", OSError(number, "full"))) is kind
    assert type(output_error("out/a.png", OSError(errno.EACCES, "Permission denied"))) is OutputError


@pytest.mark.parametrize("shape", [(40, 60), (1, 1), (1, 300), (300, 1)])
def test_a_contact_sheet_of_any_picture(shape):
    result = MaskResult.from_heatmap(np.full((*shape, 3), 90, np.uint8), np.ones(shape), found=0.3)
    sheet = result.contact_sheet("pick up the cup " * 50, width=480)
    assert sheet.shape[1] == 480
    assert sheet.dtype == np.uint8


def test_a_sheet_that_is_too_narrow():
    with pytest.raises(OptionError, match="240"):
        RESULT.contact_sheet(width=100)


def test_a_notebook_shows_the_sheet():
    with Image.open(io.BytesIO(RESULT._repr_png_())) as picture:
        assert picture.width == 960
