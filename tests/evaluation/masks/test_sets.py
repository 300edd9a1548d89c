"""Questions with masks from small files of the same layout as the data sets'."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from data_sets import make_original, picture, save
from ivm.cli.app import app
from ivm.core.errors import OptionError, RecordError
from ivm.core.model import Prediction
from ivm.data.faults import Fault
from ivm.evaluation.masks.session import score_all
from ivm.evaluation.masks.sets import open_masks, reasonseg_truth
from ivm.inference.masker import Masker

SQUARE = [[4, 4], [11, 4], [11, 11], [4, 11]]


def instances(folder, count=2):
    """COCO's file: picture n holds annotation n, a square."""
    for number in range(1, count + 1):
        save(folder / "pictures" / f"{number}.jpg", picture(number))
    height, width = picture(1).shape[:2]
    told = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "height": height, "width": width} for n in range(1, count + 1)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "segmentation": [[float(v) for xy in SQUARE for v in xy]]}
            for n in range(1, count + 1)
        ],
        "categories": [{"id": 1, "name": "cup"}],
    }
    (folder / "instances.json").write_text(json.dumps(told))


@pytest.fixture
def refcoco(tmp_path):
    instances(tmp_path)
    refs = [
        {"ref_id": 1, "ann_id": 1, "split": "val", "sentences": [{"sent": "the left cup"}, {"sent": "red cup"}]},
        {"ref_id": 2, "ann_id": 2, "split": "testA", "sentences": [{"sent": "the cup"}]},
    ]
    (tmp_path / "refs(unc).json").write_text(json.dumps(refs))
    return tmp_path


@pytest.fixture
def grefcoco(tmp_path):
    instances(tmp_path)
    refs = [
        {
            "ref_id": 1,
            "image_id": 1,
            "ann_id": [1],
            "no_target": False,
            "split": "val",
            "sentences": [{"sent": "a cup"}],
        },
        {
            "ref_id": 2,
            "image_id": 2,
            "ann_id": [-1],
            "no_target": True,
            "split": "val",
            "sentences": [{"sent": "a dog"}],
        },
        {
            "ref_id": 3,
            "image_id": 9,
            "ann_id": [1],
            "no_target": False,
            "split": "val",
            "sentences": [{"sent": "gone"}],
        },
    ]
    (tmp_path / "grefs(unc).json").write_text(json.dumps(refs))
    return tmp_path


def test_every_sentence_of_refcoco_is_a_question(refcoco):
    asked = list(open_masks(refcoco, images={"": refcoco / "pictures"}, split="val"))
    assert [one.instruction for one in asked] == ["the left cup", "red cup"]
    assert {one.group for one in asked} == {"1"}
    assert all(one.present and one.truth.max() == 1 for one in asked)
    assert asked[0].truth[7, 7] == 1
    assert asked[0].truth[0, 0] == 0


def test_a_row_for_each_thing(refcoco):
    asked = list(open_masks(refcoco, images={"": refcoco / "pictures"}, by_thing=True))
    assert [one.category for one in asked] == ["the left cup", "the left cup", "the cup"]
    plain = open_masks(refcoco, images={"": refcoco / "pictures"})
    assert {one.category for one in plain} == {"present"}


def test_a_split_that_there_is_not_is_named(refcoco):
    with pytest.raises(OptionError, match="testA, val"):
        list(open_masks(refcoco, images={"": refcoco / "pictures"}, split="test"))


def test_grefcoco_asks_for_what_is_absent_too(grefcoco):
    one, none, broken = open_masks(grefcoco, images={"": grefcoco / "pictures"})
    assert (one.category, one.present, none.category, none.present) == ("one", True, "absent", False)
    assert none.truth.max() == 0
    assert isinstance(broken, Fault)
    assert "ref_id 3" in broken.where


def test_grefcoco_needs_its_pictures(grefcoco):
    with pytest.raises(OptionError, match="--images"):
        list(open_masks(grefcoco))
    with pytest.raises(RecordError, match="grefs"):
        list(open_masks(grefcoco / "pictures", layout="grefcoco"))


def test_reasonseg_keeps_what_is_to_be_ignored(tmp_path):
    folder = tmp_path / "val"
    save(folder / "a.jpg", picture(0))
    inner = [[6, 6], [8, 6], [8, 8], [6, 8]]
    shapes = [
        {"label": "target", "points": SQUARE},
        {"label": "ignore", "points": inner},
        {"label": "flag", "points": SQUARE},
    ]
    told = {"text": ["what holds tea?", "other"], "is_sentence": False, "shapes": shapes}
    (folder / "a.json").write_text(json.dumps(told))
    (one,) = open_masks(folder)
    assert (one.instruction, one.category) == ("what holds tea?", "short")
    assert np.unique(one.truth).tolist() == [0, 1, 255]
    assert (one.truth == 255).sum() == 9
    assert (one.truth == 1).sum() == 64 - 9


def test_reasonseg_draws_the_largest_first():
    large = {"label": "ignore", "points": SQUARE}
    small = {"label": "target", "points": [[6, 6], [7, 6], [7, 7], [6, 7]]}
    for shapes in ([large, small], [small, large]):
        truth = reasonseg_truth(shapes, 16, 16)
        assert (truth == 1).sum() == 4
        assert (truth == 255).sum() == 60


def test_the_papers_data_is_read(tmp_path):
    make_original(tmp_path, faults=False)
    asked = [one for one in open_masks(tmp_path / "HumanLabelData") if not isinstance(one, Fault)]
    assert len(asked) == 7
    assert all(set(np.unique(one.truth)) <= {0, 1} for one in asked)


class Squares:
    """Finds the square of these files wherever it is asked for; "gone" makes it fail."""

    name = "squares"

    def __init__(self):
        self.encoded = 0

    def encode(self, images):
        self.encoded += len(images)
        return [image.shape[:2] for image in images]

    def predict(self, features, instructions):
        logits = []
        for size in features:
            one = np.full(size, -4, np.float32)
            one[4:12, 4:12] = 4
            logits.append(one)
        return Prediction(logits, np.array([0.1 if "dog" in text else 0.9 for text in instructions], np.float32))


def test_answers_are_scored_and_a_broken_record_is_a_miss(grefcoco):
    model = Squares()
    one, none, broken = score_all(Masker(model), open_masks(grefcoco, images={"": grefcoco / "pictures"}))
    assert one.score.iou > 0.7
    assert one.score.hit > 0.7
    assert none.score.empty, "found is below one half, so nothing is shown"
    assert none.score.iou == 1
    assert (broken.score.iou, broken.score.present, broken.score.hit) == (0, True, 0)
    assert "ref_id 3" in broken.fault


def test_a_picture_is_encoded_once_for_all_its_questions(refcoco):
    model = Squares()
    assert len(list(score_all(Masker(model), open_masks(refcoco, images={"": refcoco / "pictures"}, split="val")))) == 2
    assert model.encoded == 1


def test_the_command_writes_every_score(refcoco, toy_nano):
    line = [
        "eval",
        "masks",
        refcoco,
        "--images",
        refcoco / "pictures",
        "--model",
        toy_nano,
        "-o",
        refcoco / "o.json",
    ]
    done = CliRunner().invoke(app, list(map(str, line)))
    assert done.exit_code == 0, done.output
    assert "gIoU" in done.stdout
    told = json.loads((refcoco / "o.json").read_text())
    assert told["total"]["questions"] == len(told["scores"]) == 3
    assert told["weights"]
    printed = CliRunner().invoke(app, [*map(str, line[:-2]), "--json"])
    assert json.loads(printed.stdout)["scores"] == told["scores"]
    assert "gIoU" in printed.stderr, "the table stands where it does not mix into the JSON"


def test_one_of_source_and_scenes_must_be_given(toy_nano):
    done = CliRunner().invoke(app, ["eval", "masks", "--model", str(toy_nano)])
    assert isinstance(done.exception, OptionError)


def test_rendered_tables_are_asked_with_undecided_things_ignored():
    pytest.importorskip("numba")
    from ivm.evaluation.masks.tables import rendered_masks

    asked = list(rendered_masks(2))
    assert len(asked) == 12
    assert {one.group for one in asked} == {"0", "1"}
    assert all(set(np.unique(one.truth)) <= {0, 1, 255} for one in asked)
