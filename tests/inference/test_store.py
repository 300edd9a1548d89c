from __future__ import annotations

import errno
import os

import pytest

from fake_models import RedModel, red_at
from ivm.core.errors import DiskFullError, OutputError
from ivm.core.files import output_errors
from ivm.inference.masker import Masker
from ivm.inference.store import read_finished, replace_lines, whole_folder, write_json, write_result


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(folder, *files, summary=True):
    with whole_folder(folder) as fresh:
        for name in files:
            (fresh / name).write_text("new")
        if summary:
            write_json(fresh / "summary.json", {"files": {name: name for name in files}})


def test_a_new_folder_appears_whole(tmp_path):
    write(tmp_path / "deep" / "out", "a", "b")
    assert names(tmp_path / "deep" / "out") == ["a", "b", "summary.json"]
    assert names(tmp_path / "deep") == ["out"]


def test_an_earlier_result_is_replaced_and_nothing_else(tmp_path):
    write(tmp_path, "a", "b")
    (tmp_path / "mine.txt").write_text("mine")
    write(tmp_path, "b", "c")
    assert names(tmp_path) == ["b", "c", "mine.txt", "summary.json"]


def test_a_summary_cannot_name_files_elsewhere(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    write_json(tmp_path / "out" / "summary.json", {"files": {"x": "../precious"}})
    write(tmp_path / "out", "a")
    assert (tmp_path / "precious").read_text() == "mine"


def write_half(folder, error):
    with whole_folder(folder) as fresh:
        (fresh / "a").write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.EIO, "broken"), ValueError])
def test_a_failing_block_leaves_all_as_it_was(tmp_path, error):
    write(tmp_path / "out", "a")
    before = (tmp_path / "out" / "a").stat().st_mtime_ns
    for folder in (tmp_path / "out", tmp_path / "other"):
        with pytest.raises((KeyboardInterrupt, OutputError, ValueError)):
            write_half(folder, error)
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a", "summary.json"]
    assert (tmp_path / "out" / "a").stat().st_mtime_ns == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_has_an_error_of_its_own(tmp_path, code):
    with pytest.raises(DiskFullError, match="No space"), output_errors(tmp_path):
        raise OSError(code, os.strerror(code))


def test_a_summary_goes_before_its_pictures_do(tmp_path):
    write(tmp_path, "a", "c")
    (tmp_path / "b" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OutputError):
        write(tmp_path, "a", "b", "c")
    assert names(tmp_path) == ["a", "b", "c"]


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "out").write_text("a file")
    for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(OutputError, match="cannot be written"):
            write(folder, "a")
    assert (tmp_path / "out").read_text() == "a file"


def test_lines_replace_a_file_and_no_lines_remove_it(tmp_path):
    replace_lines(tmp_path / "x.jsonl", ["1", "2"])
    assert (tmp_path / "x.jsonl").read_text() == "1\n2\n"
    replace_lines(tmp_path / "x.jsonl", [])
    replace_lines(tmp_path / "x.jsonl", [])
    assert names(tmp_path) == []


ABOUT = {"instruction": "cup", "pictures": ["soft", "highlight_image", "inpaint_image", "sheet"]}


@pytest.mark.parametrize("threads", [1, 3])
def test_write_result_tells_its_files(tmp_path, threads):
    result = Masker(RedModel())(red_at(3), "cup", dilate_kernel_size=1)
    summary = write_result(result, tmp_path / "out", ABOUT, threads=threads)
    assert names(tmp_path / "out") == sorted([*summary["files"].values(), "summary.json"])
    assert summary["target_bbox"] == [3, 0, 4, 8]
    assert list(summary["files"]) == ABOUT["pictures"]


def test_finished_means_same_wish_same_picture_all_files(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"x")
    about = {"image": str(picture), **ABOUT}
    result = Masker(RedModel())(red_at(3), "cup")
    summary = write_result(result, tmp_path / "out", about)
    assert read_finished(tmp_path / "out", about) == summary
    assert read_finished(tmp_path / "out", about | {"instruction": "pan"}) is None
    assert read_finished(tmp_path / "nowhere", about) is None
    after = (tmp_path / "out" / "summary.json").stat().st_mtime + 10
    os.utime(picture, (after, after))
    assert read_finished(tmp_path / "out", about) is None
    os.utime(picture, (1, 1))
    assert read_finished(tmp_path / "out", about) == summary
    (tmp_path / "out" / "soft.png").unlink()
    assert read_finished(tmp_path / "out", about) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": []}'])
def test_a_damaged_summary_is_no_result(tmp_path, text):
    (tmp_path / "summary.json").write_text(text)
    assert read_finished(tmp_path, {}) is None
