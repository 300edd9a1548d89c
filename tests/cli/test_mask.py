from __future__ import annotations

import io
import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

PAPER = ["soft", "hard", "blur_image", "highlight_image", "cropped_blur_img", "cropped_highlight_img", "alpha_image"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(source):
    with Image.open(source) as picture:
        return np.array(picture)


def read(folder):
    return json.loads((folder / "summary.json").read_text())


def test_the_seven_pictures_a_sheet_and_a_summary(mask, place, toy_nano):
    done = mask("scene.png", "pick up the red cup", "--dilate", 1)
    assert done.returncode == 0, done.stderr
    out = place / "ivm-out" / "scene"
    assert names(out) == sorted([*(f"{name}.png" for name in PAPER), "sheet.png", "summary.json"])
    summary = read(out)
    assert summary["image"] == str(place / "scene.png")
    assert summary["instruction"] == "pick up the red cup"
    assert summary["found"] > 0.9
    assert summary["target_bbox"] == [32, 16, 64, 48]
    assert summary["model"] == "toy-nano"
    assert summary["files"]["soft"] == "soft.png"
    assert 0 < summary["seconds"] < 60
    assert pixels(out / "cropped_highlight_img.png").shape == (32, 32, 3)
    assert pixels(out / "alpha_image.png").shape == (96, 128, 4)
    text = done.stdout.decode()
    assert text.startswith("found (100 % likely): pick up the red cup, at x 32-64, y 16-48, 8.3 % of the picture\n")
    assert "ivm-out/scene/sheet.png" in text
    assert done.stderr == b""


def test_what_is_not_there_keeps_the_picture_whole(mask, place):
    done = mask("scene.png", "the green plate")
    assert done.stdout.startswith(b"not found (0 % likely): the green plate; the whole picture is kept")
    assert read(place / "ivm-out" / "scene")["kept_whole"] is True


def test_json_on_standard_output(mask, place):
    done = mask("scene.png", "the blue cup", "-o", "here", "--json", "--only", "crop", "--style", "gray")
    told = json.loads(done.stdout)
    assert told["folder"] == "here"
    assert told["files"] == {"cropped_highlight_img": "cropped_highlight_img.png"}
    assert names(place / "here") == ["cropped_highlight_img.png", "summary.json"]


def test_style_adds_a_picture_to_the_seven(mask, place):
    assert mask("scene.png", "red", "-o", ".", "--style", "gray", "-q").stdout == b""
    assert "grayscale_image.png" in names(place)
    assert "scene.png" in names(place)


def test_options_reach_the_result(mask, place):
    mask(
        "scene.png", "red", "-o", "a", "--fill-color", "0,255,0", "--threshold", "0.25", "--blur", "3", "--dilate", "1"
    )
    assert pixels(place / "a" / "highlight_image.png")[0, 0].tolist() == [0, 255, 0]
    assert read(place / "a")["threshold"] == 0.25
    assert read(place / "a")["style"]["blur_kernel_size"] == 3
    mask("scene.png", "red", "-o", "b", "--preset", "v1", "--fill-color", "#0000ff")
    assert read(place / "b")["preset"] == "v1"
    assert pixels(place / "b" / "highlight_image.png")[0, 0].tolist() == [0, 0, 255]


def test_pipes(mask, place):
    content = (place / "scene.png").read_bytes()
    done = mask("-", "red", "-o", "-", "--style", "crop", "--dilate", 1, input=content)
    picture = pixels(io.BytesIO(done.stdout))
    assert picture.shape == (32, 32, 3)
    assert (picture == (255, 0, 0)).all()
    assert done.stderr == b""
    assert names(place) == ["scene.png"]
    mask("-", "red", input=content)
    assert read(place / "ivm-out" / "stdin")["image"] == "-"


def test_a_reader_that_goes_away_is_no_error(place, command, environment):
    read_end, write_end = os.pipe()
    os.close(read_end)
    line = [*command, "scene.png", "red", "-o", "-"]
    done = subprocess.run(line, stdout=write_end, stderr=subprocess.PIPE, env=environment, timeout=60)
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == b""


def test_a_name_that_is_no_text(mask, place):
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy(place / "scene.png", name)
    done = mask(name, "red")
    assert done.returncode == 0, done.stderr
    assert read(place / "ivm-out" / os.fsdecode(b"caf\xe9"))["image"] == str(place / name)


def test_a_folder_resumes_and_reports(mask, place, scene):
    (place / "photos" / "more").mkdir(parents=True)
    shutil.copy("scene.png", "photos/a.png")
    Image.fromarray(scene[:, ::-1]).save("photos/more/b.jpg")
    (place / "photos" / "c.jpg").write_text("text")
    done = mask("photos", "red", "-o", "out")
    assert done.returncode == 50
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "2 done, 1 failed: see out/results.jsonl"
    assert lines[1].startswith("failed: c: ")
    assert lines[2] == "error: 1 of 3 failed, out/failures.jsonl tells why; the others are done"
    assert names(place / "out") == ["a", "failures.jsonl", "more", "results.jsonl"]
    assert names(place / "out" / "more" / "b") == names(place / "out" / "a")
    stamp = (place / "out" / "a" / "soft.png").stat().st_mtime_ns
    shutil.copy("scene.png", "photos/c.jpg")
    done = mask("photos", "red", "-o", "out", "--json")
    assert done.returncode == 0
    assert done.stderr.decode() == "1 done, 2 done before, 0 failed: see out/results.jsonl\n"
    assert [json.loads(line)["kept_whole"] for line in done.stdout.splitlines()] == [False] * 3
    assert names(place / "out") == ["a", "c", "more", "results.jsonl"]
    assert (place / "out" / "a" / "soft.png").stat().st_mtime_ns == stamp
    assert mask("photos", "red", "-o", "out", "--overwrite", "-q").stderr == b""
    assert (place / "out" / "a" / "soft.png").stat().st_mtime_ns != stamp


def test_lines_bring_their_own_instructions(mask, place):
    lines = [
        {"image": "scene.png", "instruction": "red", "id": "one"},
        {"image": "scene.png", "instruction": "blue", "id": "two"},
        {"image": "scene.png", "id": "three"},
    ]
    (place / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = mask("tasks.jsonl", "green", "--only", "soft", "--dilate", 1)
    assert done.returncode == 0, done.stderr
    out = place / "ivm-out"
    assert [read(out / name)["target_bbox"] for name in ("one", "two", "three")] == [
        [32, 16, 64, 48], [80, 16, 112, 48], None
    ]  # fmt: skip
    assert mask("tasks.jsonl").returncode == 50


def test_a_folder_that_holds_its_own_output(mask, place):
    for _ in range(2):
        done = mask(".", "red", "--only", "soft")
        assert done.returncode == 0
    assert done.stderr == b"0 done, 1 done before, 0 failed: see ivm-out/results.jsonl\n"


@pytest.mark.parametrize("style", ["soft", "hard", "alpha", "heatmap", "inpaint", "blur_image"])
def test_every_style_can_be_piped(mask, style):
    done = mask("scene.png", "red", "-o", "-", "-s", style)
    assert pixels(io.BytesIO(done.stdout)).shape[:2] == (96, 128)
