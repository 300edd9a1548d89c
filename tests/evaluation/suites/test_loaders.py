"""Each benchmark from small files of the layout that its authors publish."""

import base64
import json

import numpy as np
import pytest

from data_sets import picture, save
from ivm.core.errors import ImageFormatError, ImageNotFoundError, OptionError, RecordError
from ivm.core.images import load_image
from ivm.evaluation.suites.choices import letter_of, split_options
from ivm.evaluation.suites.opening import SUITES, open_suite
from ivm.evaluation.suites.reading import shuffled


def encoded(path):
    save(path, picture(3))
    return base64.b64encode(path.read_bytes()).decode()


def vstar(folder, *, listing=True):
    save(folder / "direct_attributes" / "sa_1.jpg", picture(1))
    save(folder / "relative_position" / "sa_2.jpg", picture(2))
    about = {
        "target_object": ["glove"],
        "bbox": [[3, 4, 10.5, 6]],
        "question": "What is the material of the glove?",
        "options": ["rubber", "cotton", "kevlar"],
    }
    (folder / "direct_attributes" / "sa_1.json").write_text(json.dumps(about))
    about |= {"question": "Is the dog left of the cat?", "options": ["yes, left", "no, right"]}
    (folder / "relative_position" / "sa_2.json").write_text(json.dumps(about))
    text = "What is the material of the glove?\n(A) cotton\n(B) rubber\n(C) kevlar\nAnswer with the option's letter."
    if listing:
        line = {"image": "direct_attributes/sa_1.jpg", "text": text, "category": "direct_attributes", "label": "B"}
        (folder / "test_questions.jsonl").write_text(json.dumps(line | {"question_id": 0}) + "\n")
    return folder


def hrbench(folder):
    cell = encoded(folder / "x.png")
    head = "index\tquestion\timage\tanswer\tcategory\tA\tB\tC\tD\tcycle_category"
    rows = [
        f'0\t"What says ""no""?"\t{cell}\tA\tsingle\tred\tblue\tgreen\tgrey\tcyclic_0',
        "1\tWhat says no?\t0\tD\tsingle\tblue\tgreen\tgrey\tred\tcyclic_1",
        f"2\tHow many?\t{cell}\tB\tcross\t1\t2\t3\t4\tcyclic_0",
    ]
    (folder / "hr_bench_4k.tsv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def visualprobe(folder):
    folder = folder / "VisualProbe_Hard"
    save(folder / "images" / "1.jpg", picture(1))
    row = {
        "images": ["VisualProbe_Hard/images/1.jpg"],
        "problem": "<image>\nWhat number?",
        "solution": "42",
        "doc_id": 7,
    }
    (folder / "val.json").write_text(json.dumps([row]))
    return folder


def o3bench(folder):
    save(folder / "test" / "images" / "map" / "a.png", picture(1))
    row = {
        "file_name": "images/map/a.png",
        "subset": "map",
        "question": "Which booth?",
        "options": "A. B4\nB. B5\nC. C1",
        "answer": "C",
        "target_layouts": [1, 3],
        "layout_infos": {
            "1": {"layout_id": 1, "bbox": [2.2, 3.0, 9.5, 8.0]},
            "2": {"layout_id": 2, "bbox": [0, 0, 1, 1]},
            "3": {"layout_id": 3, "bbox": [10, 10, 20, 20]},
        },
    }
    (folder / "test" / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def pope(folder):
    save(folder / "COCO_val2014_000000310196.jpg", picture(1))
    for kind in ("random", "adversarial"):
        rows = [
            {"question_id": n, "image": "COCO_val2014_000000310196.jpg", "text": f"Is there a {what}?", "label": label}
            for n, (what, label) in enumerate([("dog", "yes"), ("cat", "no")], start=1)
        ]
        (folder / f"coco_pope_{kind}.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def gqa(folder):
    save(folder / "images" / "n1.jpg", picture(1))
    told = {"201": {"imageId": "n1", "question": "Who is it?", "answer": "man", "types": {"structural": "query"}}}
    (folder / "testdev_balanced_questions.json").write_text(json.dumps(told))
    return folder


def textvqa(folder):
    save(folder / "train_images" / "0a.jpg", picture(1))
    row = {"question": "what brand?", "image_id": "0a", "question_id": 34602, "answers": ["nokia"] * 9 + ["toshiba"]}
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": [row]}))
    return folder


def mme(folder):
    for category, apart in (("existence", False), ("posters", True)):
        home = folder / category
        save(home / "images" / "a.png" if apart else home / "a.jpg", picture(1))
        text = home / "questions_answers_YN" / "a.txt" if apart else home / "a.txt"
        text.parent.mkdir(exist_ok=True)
        text.write_text("Is it a cup? Please answer yes or no.\tYes\nIs it a dog? Please answer yes or no.\tNo\n")
    return folder


EXPECTED = {
    "vstar": (vstar, ["letter"], [("B",)], 1),
    "hr-bench": (hrbench, ["letter"] * 3, [("A",), ("D",), ("B",)], 2),
    "visualprobe": (visualprobe, ["words"], [("42",)], 1),
    "o3-bench": (o3bench, ["letter"], [("C",)], 1),
    "pope": (pope, ["yes-no"] * 4, [("yes",), ("no",)] * 2, 1),
    "gqa": (gqa, ["exact"], [("man",)], 1),
    "textvqa": (textvqa, ["vqa"], [("nokia",) * 9 + ("toshiba",)], 1),
    "mme": (mme, ["yes-no"] * 4, [("yes",), ("no",)] * 2, 2),
}


def test_every_benchmark_is_tried_here():
    assert set(EXPECTED) == set(SUITES)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_benchmark_is_read_as_published(tmp_path, name):
    make, scoring, answers, pictures = EXPECTED[name]
    suite = open_suite(name, make(tmp_path))
    assert [one.scoring for one in suite.questions] == scoring
    assert [one.answers for one in suite.questions] == answers
    assert len({one.picture.key for one in suite.questions}) == pictures
    for one in suite.questions:
        assert load_image(one.picture.read()).ndim == 3
        assert one.question
        assert "<image>" not in one.question
        assert "Please answer" not in one.question
        assert "(A)" not in one.question


def test_vstars_boxes_and_options(tmp_path):
    (one,) = open_suite("vstar", vstar(tmp_path)).questions
    assert one.boxes == ((3, 4, 14, 10),)
    assert one.options == ("cotton", "rubber", "kevlar")
    assert one.targets == ("glove",)
    assert one.category == "direct_attributes"


def test_without_its_list_vstars_options_are_shuffled_the_same_each_time(tmp_path):
    first = open_suite("vstar", vstar(tmp_path, listing=False))
    again = open_suite("vstar", tmp_path)
    assert first.checksum == again.checksum
    right = {"direct_attributes": "rubber", "relative_position": "yes, left"}
    assert [one.options["ABC".index(one.answers[0])] for one in first.questions] == [
        right[one.category] for one in first.questions
    ]
    letters = {shuffled(["x", "y", "z"], 0, str(n))[1] for n in range(40)}
    assert letters == set("ABC"), "the right one is not always the first"


def test_o3benchs_target_layouts_are_boxes(tmp_path):
    (one,) = open_suite("o3-bench", o3bench(tmp_path)).questions
    assert one.boxes == ((2, 3, 10, 8), (10, 10, 20, 20))
    assert one.options == ("B4", "B5", "C1")


def test_hrbench_as_parquet_is_the_same(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = open_suite("hr-bench", hrbench(tmp_path))
    cell = encoded(tmp_path / "y.png")
    columns = {
        "index": [0, 1], "question": ["What?", "How?"], "image": [cell, cell], "answer": ["A", "B"],
        "category": ["single", "cross"], "A": ["1", "2"], "B": ["3", "4"], "C": ["5", None], "D": ["6", None],
    }  # fmt: skip
    (tmp_path / "p").mkdir()
    parquet.write_table(arrow.table(columns), tmp_path / "p" / "hr_bench_4k.parquet", row_group_size=1)
    suite = open_suite("hr-bench", tmp_path / "p")
    assert [len(one.options) for one in suite.questions] == [4, 2]
    pixels = [load_image(one.picture.read()) for one in (*suite.questions, table.questions[2])]
    assert np.array_equal(pixels[0], pixels[2])
    assert np.array_equal(pixels[1], pixels[2])


def test_pictures_may_lie_elsewhere(tmp_path):
    (tmp_path / "a").mkdir()
    pope(tmp_path / "a")
    (tmp_path / "a" / "COCO_val2014_000000310196.jpg").rename(tmp_path / "COCO_val2014_000000310196.jpg")
    one = open_suite("pope", tmp_path / "a").questions[0]
    with pytest.raises(ImageNotFoundError, match="000000310196"):
        one.picture.read()
    there = open_suite("pope", tmp_path / "a", images=tmp_path).questions[0]
    assert there.picture.read()


def test_a_part_is_spread_over_the_whole(tmp_path):
    (tmp_path / "train_images").mkdir()
    rows = [{"question": "q", "image_id": "a", "question_id": n, "answers": ["x"]} for n in range(10)]
    (tmp_path / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": rows}))
    part = open_suite("textvqa", tmp_path, limit=3)
    assert [one.id for one in part.questions] == ["0", "3", "6"]
    assert part.checksum != open_suite("textvqa", tmp_path).checksum


def test_a_question_is_parted_from_its_options():
    assert split_options("What is it?\n(A) a cup\n(B) a pan\nAnswer with a letter.") == (
        "What is it?",
        ("a cup", "a pan"),
    )
    assert split_options("A. B4\nB. B5") == ("", ("B4", "B5"))
    assert split_options("Why B. Franklin?") == ("Why B. Franklin?", ())
    assert letter_of("red", ("blue", "red"), "here") == "B"


@pytest.mark.parametrize(
    ("suite", "name", "text", "what"),
    [
        ("vstar", "test_questions.jsonl", "{broken", "line 1 is not JSON"),
        ("vstar", "test_questions.jsonl", '{"text": "What?", "label": "A", "image": "a.jpg", "category": "x"}', "none"),
        ("vstar", "notes.txt", "", "neither"),
        ("hr-bench", "a.tsv", "index\tquestion\n0\tWhat?\n", "no column 'image'"),
        ("hr-bench", "notes.txt", "", ".tsv"),
        ("o3-bench", "metadata.jsonl", '{"question": "q"}', "options"),
        ("visualprobe", "val.json", '["a"]', "must be a list"),
        ("visualprobe", "val.json", '[{"images": ["a.jpg"], "problem": "q"}]', "solution"),
        ("pope", "coco_pope_random.json", '{"question_id": 1, "image": "a", "text": "q", "label": "?"}', "yes or no"),
        ("gqa", "testdev_balanced_questions.json", "[]", "object of questions"),
        ("gqa", "testdev_balanced_questions.json", '{"1": "What?"}', "object of questions"),
        ("textvqa", "TextVQA_0.5.1_test.json", '{"data": [{"question": "q"}]}', "ten people"),
        ("mme", "a.txt", "no tab here", "a tab"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, suite, name, text, what):
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordError, match=what) as caught:
        open_suite(suite, tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_picture_that_is_no_base64_is_named(tmp_path):
    text = "index\tquestion\timage\tanswer\tcategory\tA\tB\n0\tWhat?\t*" + "x" * 80 + "\tA\ts\t1\t2\n"
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(ImageFormatError, match="base64"):
        open_suite("hr-bench", tmp_path).questions[0].picture.read()


def test_two_questions_of_one_name_are_refused(tmp_path):
    (tmp_path / "train_images").mkdir()
    rows = [{"question": "q", "image_id": "a", "question_id": 1, "answers": ["x"]}] * 2
    (tmp_path / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": rows}))
    with pytest.raises(RecordError, match="'1'"):
        open_suite("textvqa", tmp_path)


def test_a_benchmark_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(OptionError, match="vstar"):
        open_suite("v*", tmp_path)
    with pytest.raises(RecordError, match="no file or folder"):
        open_suite("vstar", tmp_path / "nowhere")
