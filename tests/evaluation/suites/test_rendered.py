"""The rendered benchmark: exact boxes, questions that the picture answers, the same files for the same seed."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("numba", reason="tables are rendered with numba")

from ivm.core.errors import OptionError
from ivm.data.tabletop.colors import confusable
from ivm.evaluation.suites.opening import open_suite
from ivm.evaluation.suites.rendered import SMALL, is_rendered, rendered, write_rendered

SIZE = (320, 240)


@pytest.fixture(scope="module")
def asked():
    return list(rendered(5, 3, SIZE))


def test_both_kinds_are_asked_about_small_things(asked):
    assert [one.category for _, one in asked].count("relative_position") == 2
    for scene, one in asked:
        for (x0, y0, x1, y1), target in zip(one.boxes, one.targets, strict=True):
            named = [i for i, t in enumerate(scene.things, 1) if target in (t.kind, f"{t.color} {t.kind}")]
            fits = [i for i in named if SMALL[0] <= (scene.ids == i).mean() <= SMALL[1]]
            (number,) = [i for i in fits if (scene.ids == i)[y0:y1, x0:x1].sum() == (scene.ids == i).sum()]
            rows, columns = np.nonzero(scene.ids == number)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x0, y0, x1, y1)


def test_the_right_option_is_what_the_scene_holds(asked):
    for scene, one in asked:
        right = one.options["ABCD".index(one.right)]
        if one.category == "relative_position":
            middles = [(box[0] + box[2]) / 2 for box in one.boxes]
            assert right == ("left" if middles[0] < middles[1] else "right")
        else:
            (target,) = [thing for thing in scene.things if thing.kind == one.targets[0]]
            assert right == target.color
            assert not any(confusable(right, other) for other in one.options if other != right)


def test_the_files_have_vstars_layout_and_are_the_same_again(tmp_path):
    for name in ("a", "b"):
        write_rendered(tmp_path / name, 2, seed=3, size=SIZE)
    suite = open_suite("vstar", tmp_path / "a")
    assert suite.checksum == open_suite("vstar", tmp_path / "b").checksum
    for one in suite.questions:
        assert one.boxes
        with Image.open(one.picture.path) as shown:
            assert shown.size == SIZE
        about = json.loads(one.picture.path.with_suffix(".json").read_text())
        assert about["options"][0] == one.options["ABCD".index(one.answers[0])]
    assert is_rendered(tmp_path / "a")
    assert not is_rendered(tmp_path)


def test_no_question_is_refused(tmp_path):
    with pytest.raises(OptionError, match="at least 1"):
        write_rendered(tmp_path, 0)
