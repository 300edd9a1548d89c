from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.core.errors import ImageNotFoundError, RecordError
from ivm.inference.tasks import BadTask, Task, tasks_of_folder, tasks_of_lines


def lines_file(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_folder_is_searched_in_order(tmp_path):
    touch(tmp_path, "b.JPG", "a/c.png", "notes.txt", ".hidden/d.png", ".e.png")
    tasks = tasks_of_folder(tmp_path, "red")
    assert [(task.id, task.image) for task in tasks] == [("a/c", tmp_path / "a/c.png"), ("b", tmp_path / "b.JPG")]
    assert {task.instruction for task in tasks} == {"red"}


def test_pictures_that_differ_in_their_suffix_keep_it(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "b.png")
    assert [task.id for task in tasks_of_folder(tmp_path, "red")] == ["a.jpg", "a.png", "b"]


def test_the_output_is_not_its_own_input(tmp_path):
    touch(tmp_path, "a.jpg", "out/a/blur_image.png")
    assert [task.id for task in tasks_of_folder(tmp_path, "red", leave_out=tmp_path / "out")] == ["a"]


def test_a_folder_without_pictures(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(ImageNotFoundError, match="holds no picture"):
        tasks_of_folder(tmp_path, "red")


def test_lines_become_tasks_relative_to_their_file(tmp_path):
    path = lines_file(tmp_path, {"image": "a.png", "instruction": "red", "id": "first"}, "", {"image": "/b.png"})
    first, second = tasks_of_lines(path, "blue")
    assert first == Task(id="first", image=tmp_path / "a.png", instruction="red")
    assert isinstance(second, Task)
    assert (second.image, second.instruction) == (Path("/b.png"), "blue")
    assert second.id.startswith("b-blue-")


def test_default_ids_do_not_depend_on_the_place(tmp_path):
    a, b = {"image": "a.png", "instruction": "the red cup"}, {"image": "a.png", "instruction": "the pan"}
    ids = [task.id for task in tasks_of_lines(lines_file(tmp_path, a, b))]
    assert len(set(ids)) == 2
    assert ids[0].startswith("a-the-red-cup-")
    assert [task.id for task in tasks_of_lines(lines_file(tmp_path, b, a, a))] == ids[::-1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: not an object"),
        ({"instruction": "red"}, '"image" must be a text, not null'),
        ({"image": "a.png"}, '"instruction" must be a text'),
        ({"image": "a.png", "instruction": 7}, '"instruction" must be a text, not 7'),
        ({"image": "a\0.png", "instruction": "x"}, "characters that no text has"),
        ({"image": "a.png", "instruction": "\ud800"}, "characters that no text has"),
        ({"image": "a.png", "instruction": "x", "id": "../../etc"}, "the id"),
        ({"image": "a.png", "instruction": "x", "id": ".hidden"}, "the id"),
        ({"image": "a.png", "instruction": "x", "id": "good"}, "already given"),
    ],
)
def test_a_bad_line_is_kept_with_its_number(tmp_path, line, message):
    tasks = tasks_of_lines(lines_file(tmp_path, {"image": "a.png", "instruction": "red", "id": "good"}, line))
    assert isinstance(tasks[0], Task)
    assert isinstance(tasks[1], BadTask)
    assert tasks[1].id == "line 2"
    assert message in str(tasks[1].error)


def test_files_without_lines(tmp_path):
    with pytest.raises(RecordError, match="holds no line"):
        tasks_of_lines(lines_file(tmp_path, "", " "))
    with pytest.raises(RecordError, match="cannot be read"):
        tasks_of_lines(tmp_path / "gone.jsonl")
    (tmp_path / "picture.jsonl").write_bytes(b"\x89PNG\xff")
    with pytest.raises(RecordError, match="cannot be read"):
        tasks_of_lines(tmp_path / "picture.jsonl")


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(TEXTS, TEXTS)
def test_every_default_id_is_a_plain_folder_name(tmp_path_factory, image, instruction):
    path = lines_file(tmp_path_factory.mktemp("lines"), {"image": image, "instruction": instruction})
    (task,) = tasks_of_lines(path)
    assert isinstance(task, Task)
    assert Path(task.id).name == task.id
    assert not task.id.startswith(".")
