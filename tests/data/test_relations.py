import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.core.errors import OptionError
from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.layout import Thing
from ivm.data.tabletop.questions import Questioner
from ivm.data.tabletop.relations import RELATIONS, gaps_to, standing
from ivm.data.tabletop.stream import TabletopStream
from ivm.data.tabletop.wordings import (
    BESIDE,
    DEPTHS,
    FOOD,
    MADE_OF,
    MATERIALS,
    NEAREST,
    POINTING,
    USEFUL,
    USES,
    kinds_called,
)

TABLE = np.array(
    [
        [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 3, 3, 3, 0, 0, 0],
        [0, 0, 0, 0, 3, 3, 3, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, 2, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, 2, 0, 0, 4, 4],
        [0, 0, 0, 0, 0, 0, 0, 0, 4, 4],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    np.uint8,
)
"""A cup at the back on the left, one in front of the plate, a spoon in front on the right."""
THINGS = (Thing("cup", "red"), Thing("cup", "green"), Thing("plate", "blue"), Thing("spoon", "wooden"))


def asker(ids=TABLE, things=THINGS, *, forms=tuple(RELATIONS), seed=0):
    return Questioner(np.asarray(ids, np.uint8), things, np.random.default_rng(seed), forms=forms)


def asked(form, ids=TABLE, things=THINGS, *, count=1500, seed=0):
    """All questions of one form that come up in so many tries."""
    one = asker(ids, things, forms=(form,), seed=seed)
    return [question for _ in range(count) if (question := RELATIONS[form](one)) is not None]


def about(questions, phrase, templates=POINTING):
    wanted = {template.format(phrase).casefold() for template in templates}
    return [question for question in questions if question.instruction.casefold().rstrip(".") in wanted]


def masks(questions):
    return {str(question.mask.tolist()) for question in questions}


def of(*ids, undecided=(), table=TABLE):
    mask = np.isin(table, ids).astype(np.uint8)
    mask[np.isin(table, undecided)] = 255
    return {str(mask.tolist())}


@pytest.mark.parametrize("form", ["side", "two"])
def test_sides_and_pairs_are_asked_for_more_often_where_that_is_wanted(form):
    often, seldom = (sum(question.form == form for question in asker(forms=forms).ask(600)) for forms in ((form,), ()))
    assert often > 2 * seldom > 0


@pytest.mark.parametrize(("way", "id_"), [("front", 2), ("back", 1)])
def test_front_and_back_pick_one_of_several(way, id_):
    questions = [q for words in DEPTHS[way] for q in about(asked("depth"), words.format("cup"))]
    assert masks(questions) == of(id_)
    assert {q.form for q in questions} == {"depth"}


def test_a_mirror_changes_nothing_of_what_is_in_front():
    mirrored = TABLE[:, ::-1]
    questions = [q for words in DEPTHS["front"] for q in about(asked("depth", mirrored), words.format("cup"))]
    assert masks(questions) == of(2, table=mirrored)


def test_no_depth_is_asked_where_two_are_about_as_near():
    ids = np.zeros((20, 20), np.uint8)
    ids[4:10, 2:6], ids[4:11, 12:16] = 1, 2
    assert not asked("depth", ids, (Thing("cup", "red"), Thing("cup", "red")), count=300)


@pytest.mark.parametrize("spoiled", ["cut off", "hidden below", "lies in another"])
def test_no_depth_is_asked_where_it_is_not_seen_where_a_thing_stands(spoiled):
    ids, things = np.zeros((20, 20), np.uint8), [Thing("cup", "red"), Thing("cup", "red"), Thing("plate", "blue")]
    ids[2:6, 2:6], ids[12:16, 12:16], ids[2:5, 14:18] = 1, 2, 3
    assert asked("depth", ids, tuple(things), count=300), "it is asked before it is spoiled"
    if spoiled == "cut off":
        ids[12:20, 12:16] = 2
    elif spoiled == "hidden below":
        ids[16:18, 11:17] = 3
    else:
        things[1] = Thing("cup", "red", inside=3)
    assert not asked("depth", ids, tuple(things), count=300)


def test_where_things_stand():
    assert standing(asker()) == {1: 1, 2: 5, 3: 2, 4: 6}


def test_in_front_of_needs_what_is_nearer_and_leaves_out_what_is_farther():
    questions = about(asked("beside"), BESIDE["front"][0].format("cup", "plate"))
    assert masks(questions) == of(2), "the red cup is behind the line of the plate"
    behind = about(asked("beside"), BESIDE["back"][0].format("plate", "green cup"))
    assert masks(behind) == of(3)


def test_what_is_nearer_but_not_in_line_is_undecided():
    ids = np.zeros((20, 20), np.uint8)
    ids[2:5, 2:6], ids[10:13, 2:6], ids[10:13, 14:18] = 1, 2, 3
    things = (Thing("plate", "blue"), Thing("cup", "red"), Thing("cup", "red"))
    questions = about(asked("beside", ids, things), BESIDE["front"][0].format("cup", "plate"))
    assert masks(questions) == of(2, undecided=[3], table=ids)


def test_nearest_picks_the_one_beside_the_other_thing():
    ids = np.zeros((20, 30), np.uint8)
    ids[8:11, 10:14], ids[8:11, 16:19], ids[8:11, 0:3] = 3, 2, 1
    questions = asked("nearest", ids, THINGS[:3])
    for words in NEAREST:
        assert masks(about(questions, words.format("cup", "plate"))) == of(2, table=ids)


def test_nearest_is_not_asked_where_the_tilt_of_the_table_may_turn_it_round():
    """One cup is nearer in the picture, but down the picture, where the table is longer than it looks."""
    ids = np.zeros((30, 30), np.uint8)
    ids[2:5, 2:5], ids[2:5, 16:19], ids[11:14, 2:5] = 1, 2, 3
    things = (Thing("plate", "blue"), Thing("cup", "red"), Thing("cup", "red"))
    assert not about(asked("nearest", ids, things), NEAREST[0].format("cup", "plate"))
    ids[11:14, 2:5], ids[6:9, 2:5] = 0, 3
    assert masks(about(asked("nearest", ids, things), NEAREST[0].format("cup", "plate"))) == of(3, table=ids)


def test_gaps_are_from_edge_to_edge():
    gaps = gaps_to(asker(), 3, 1.0)
    assert gaps == {1: pytest.approx(3), 2: pytest.approx(2), 3: 0, 4: pytest.approx(np.hypot(2, 3), abs=0.01)}
    assert gaps_to(asker(), 3, 2.0)[2] == pytest.approx(3)


def test_a_use_needs_what_is_made_for_it_and_leaves_open_what_would_do():
    ids = np.array([[1, 1, 2, 2, 3, 3, 0, 0]], np.uint8)
    things = (Thing("cup", "red"), Thing("bottle", "green"), Thing("hammer", "wooden"))
    questions = asked("use", ids, things)
    assert masks(about(questions, "drink from", USEFUL)) == {"[[1, 1, 255, 255, 0, 0, 0, 0]]"}
    assert masks(about(questions, "drive a nail with", USEFUL)) == {"[[0, 0, 0, 0, 1, 1, 0, 0]]"}
    nothing = about(questions, "read", USEFUL)
    assert not nothing, "a bottle has a label to read: neither there nor absent"
    absent = about(questions, "play with", USEFUL)
    assert {(q.form, q.present, q.mask.any()) for q in absent} == {("absent", False, False)}


def test_a_material_needs_what_is_plainly_of_it():
    ids = np.array([[1, 1, 2, 2, 3, 3, 4, 4, 5, 5]], np.uint8)
    things = (
        Thing("spoon", "silver"),
        Thing("spoon", "wooden"),
        Thing("bread", "wooden"),
        Thing("cup", "red"),
        Thing("box", "brown"),
    )
    questions = asked("material", ids, things)
    metal = [q for words in MADE_OF["metal"] for q in about(questions, words)]
    wood = [q for words in MADE_OF["wood"] for q in about(questions, words)]
    assert masks(metal) == {"[[1, 1, 255, 255, 0, 0, 0, 0, 0, 0]]"}
    assert masks(wood) == {"[[0, 0, 1, 1, 255, 255, 0, 0, 255, 255]]"}


@st.composite
def tables(draw):
    """Up to five boxes anywhere, later ones over earlier ones."""
    things = draw(
        st.lists(st.builds(Thing, st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(COLORS))), max_size=5)
    )
    ids = np.zeros((24, 32), np.uint8)
    for number in range(1, len(things) + 1):
        row, column = draw(st.integers(0, 22)), draw(st.integers(0, 30))
        ids[row : row + draw(st.integers(1, 9)), column : column + draw(st.integers(1, 9))] = number
    return ids, tuple(things)


@given(tables(), st.integers(0, 1000))
def test_every_question_of_every_form_is_whole(table, seed):
    ids, things = table
    for question in asker(ids, things, seed=seed).ask(12):
        assert question.form in {"single", "color", "side", "two", "absent", *RELATIONS}
        assert question.present == bool((question.mask == 1).any()) == (question.form != "absent")
        assert set(np.unique(question.mask)) <= {0, 1, 255}
        assert not question.mask[ids == 0].any()
        assert "{" not in question.instruction
        if question.form in {"depth", "nearest"}:
            assert len(np.unique(ids[question.mask == 1])) == 1
            assert 255 not in question.mask


@given(tables(), st.integers(0, 1000))
def test_without_further_forms_the_questions_are_those_of_before(table, seed):
    ids, things = table
    before = Questioner(ids, things, np.random.default_rng(seed)).ask(6)
    assert [q.instruction for q in asker(ids, things, forms=(), seed=seed).ask(6)] == [q.instruction for q in before]
    assert not {q.form for q in before} & (set(RELATIONS) - {"side", "two"})


def test_uses_and_materials_speak_of_kinds_and_colours_that_there_are():
    for fit, perhaps in USES.values():
        assert fit
        assert fit | perhaps <= set(KINDS)
        assert not fit & perhaps
    for sure, unsure, kinds in MATERIALS.values():
        assert sure | unsure <= set(COLORS)
        assert not sure & unsure
        assert kinds <= set(KINDS)
    assert set(KINDS) >= FOOD
    assert set(MADE_OF) == set(MATERIALS)
    assert not any(kinds_called(use) for use in USES)


def test_a_thing_is_never_asked_to_go_where_it_is():
    """A template with a destination would read "move the cup behind the plate" in two ways."""
    assert not [words for words in POINTING if re.search(r"\b(move|push|put|bring|take|go|place)\b", words)]


def test_a_stream_asks_in_further_forms_when_told_to():
    with pytest.raises(OptionError, match="forms"):
        TabletopStream(forms=("riddle",))
    with pytest.raises(OptionError, match="forms"):
        TabletopStream(forms=5)
    small = {"scene_size": (64, 64), "sizes": ((64, 64),), "pictures": 1, "fresh": 1, "memory": 1, "questions": 12}
    plain, more = (next(TabletopStream(**small, forms=forms).batches()) for forms in ((), tuple(RELATIONS)))
    assert (plain.image == more.image).all()
    assert plain.tokens.shape != more.tokens.shape or (plain.tokens != more.tokens).any()
