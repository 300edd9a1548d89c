import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.layout import Thing
from ivm.data.tabletop.questions import Questioner
from ivm.data.tabletop.wordings import ANYTHING, ONE_TARGET, SIDES, TWO_TARGETS, colors_called, kinds_called

SEEDS = st.integers(0, 10_000)

TABLE = np.array(
    [
        [1, 1, 0, 2, 2, 2, 0, 0],
        [1, 1, 0, 2, 2, 2, 0, 0],
        [0, 0, 0, 2, 2, 2, 0, 3],
        [0, 0, 0, 0, 0, 0, 0, 3],
        [4, 4, 4, 0, 0, 0, 0, 0],
        [4, 4, 4, 0, 255, 255, 0, 0],
    ],
    np.uint8,
)
THINGS = (Thing("cup", "red"), Thing("plate", "blue"), Thing("cup", "green"), Thing("spoon", "silver"))


@pytest.fixture(scope="module")
def questions():
    """Enough questions about the table for each phrase below to come up."""
    return asked(TABLE, THINGS, count=4000)


def asked(ids, things, *, count=300, seed=0):
    return Questioner(ids, things, np.random.default_rng(seed)).ask(count)


def plain(question):
    return question.instruction.casefold().rstrip(".")


def about(questions, phrase, templates=ONE_TARGET):
    """Those questions of one target that ask for exactly this phrase."""
    wanted = {template.format(phrase).casefold() for template in templates}
    return [question for question in questions if plain(question) in wanted]


def phrases_in(question):
    """Every phrase that the instruction can be read to ask for."""
    patterns = (re.escape(template.casefold()).replace(r"\{\}", "(.+)") for template in ONE_TARGET)
    return {found[1] for pattern in patterns if (found := re.fullmatch(pattern, plain(question)))}


def needed(question):
    return (question.mask == 1).astype(int).tolist()


def only(*ids):
    return np.isin(TABLE, ids).astype(int).tolist()


@pytest.mark.parametrize(
    ("phrase", "ids"),
    [
        ("red cup", [1]),
        ("crimson mug", [1]),
        ("cup", [1, 3]),
        ("blue plate", [2]),
        ("plate", [2]),
        ("steel spoon", [4]),
        ("red thing", [1]),
        ("green object", [3]),
    ],
)
def test_a_phrase_needs_exactly_what_it_names(questions, phrase, ids):
    chosen = about(questions, phrase)
    assert chosen
    for question in chosen:
        assert needed(question) == only(*ids)
        assert 255 not in question.mask
        assert question.present


def test_two_targets_are_both_needed(questions):
    wanted = {template.format("red cup", "blue plate") for template in TWO_TARGETS}
    both = [question for question in questions if plain(question) in wanted]
    assert both
    assert all(question.form == "two" and needed(question) == only(1, 2) for question in both)


@pytest.mark.parametrize(("side", "id_"), [("left", 1), ("right", 3), ("largest", 1), ("smallest", 3)])
def test_sides_and_sizes_pick_one_of_several(questions, side, id_):
    chosen = [question for words in SIDES[side] for question in about(questions, words.format("cup"))]
    assert chosen
    assert all(question.form == "side" and needed(question) == only(id_) for question in chosen)


def test_a_mirror_swaps_left_and_right_and_nothing_else():
    mirrored = TABLE[:, ::-1]
    questions = asked(mirrored, THINGS, count=2000)
    for side, id_ in {"left": 3, "right": 1, "largest": 1, "smallest": 3}.items():
        chosen = [question for words in SIDES[side] for question in about(questions, words.format("cup"))]
        assert chosen
        assert all((question.mask == (mirrored == id_)).all() for question in chosen)


def test_no_side_is_asked_where_two_are_about_as_far_or_as_large():
    ids = np.zeros((20, 20), np.uint8)
    ids[0:4, 8:12], ids[10:14, 8:12] = 1, 2
    questions = asked(ids, (Thing("cup", "red"), Thing("cup", "red")), count=500)
    assert not [question for question in questions if question.form == "side"]


def test_what_some_people_would_include_is_undecided():
    """A red cup beside a pink one: pink is no clear "no", green is."""
    ids = np.array([[1, 1, 2, 2, 3, 3, 0, 0]], np.uint8)
    questions = asked(ids, (Thing("cup", "red"), Thing("cup", "pink"), Thing("cup", "green")), count=2000)
    red = about(questions, "red cup")
    assert red
    assert all(question.mask.tolist() == [[1, 1, 255, 255, 0, 0, 0, 0]] for question in red)


def test_a_word_for_two_colours_means_both():
    """People call lime things green, but only lime ones lime."""
    ids = np.array([[1, 1, 2, 2, 0, 0, 0, 0]], np.uint8)
    questions = asked(ids, (Thing("cup", "lime"), Thing("cup", "green")), count=2000)
    assert {str(q.mask.tolist()) for q in about(questions, "green cup")} == {"[[1, 1, 1, 1, 0, 0, 0, 0]]"}
    assert {str(q.mask.tolist()) for q in about(questions, "lime cup")} == {"[[1, 1, 255, 255, 0, 0, 0, 0]]"}


def test_a_noun_for_two_kinds_means_both():
    kinds = (Thing("apple", "red"), Thing("banana", "yellow"), Thing("cup", "blue"))
    ids = np.array([[1, 1, 2, 2, 3, 3, 0, 0]], np.uint8)
    questions = about(asked(ids, kinds, count=2000), "fruit")
    assert questions
    assert all(question.mask.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]] for question in questions)


def names_of_all(things):
    """All that anybody calls these things."""
    for thing in things:
        kind, color = KINDS[thing.kind], COLORS[thing.color]
        for noun in (kind.name, *kind.also):
            yield noun
            yield from (f"{word} {noun}" for word in (color.name, *color.also))


@st.composite
def tables(draw):
    """Some things in a row, four columns each; the first may be hidden altogether."""
    kinds, colors = st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(COLORS))
    things = draw(st.lists(st.builds(Thing, kinds, colors), min_size=0, max_size=6))
    row = np.repeat(np.arange(1, 7, dtype=np.uint8), 4)
    row[row > len(things)] = 0
    if things and draw(st.booleans()):
        row[row == 1] = 255
    return np.tile(row, (4, 1)), tuple(things)


@given(tables(), SEEDS)
def test_what_is_absent_is_not_there_by_any_name(table, seed):
    ids, things = table
    seen = [thing for number, thing in enumerate(things, start=1) if (ids == number).any()]
    names = {name.casefold() for name in names_of_all(seen)}
    absent = [question for question in asked(ids, things, count=20, seed=seed) if question.form == "absent"]
    for question in absent:
        assert not question.present
        assert not question.mask.any()
        assert not phrases_in(question) & names, (question.instruction, seen)


@given(tables(), SEEDS)
def test_every_question_is_whole(table, seed):
    ids, things = table
    for question in asked(ids, things, count=10, seed=seed):
        assert question.mask.shape == ids.shape
        assert question.mask.dtype == np.uint8
        assert set(np.unique(question.mask)) <= {0, 1, 255}
        assert question.present == bool((question.mask == 1).any())
        assert question.form in {"single", "color", "side", "two", "absent"}
        assert (question.form == "absent") == (not question.present)
        assert "{" not in question.instruction
        assert not question.mask[np.isin(ids, [0, 255])].any(), "a table or an arm is never needed"


def test_an_empty_table_is_asked_about_what_is_not_there():
    questions = asked(np.zeros((6, 8), np.uint8), ())
    assert {question.form for question in questions} == {"absent"}
    assert len({question.instruction for question in questions}) > 100


def test_about_a_quarter_of_the_questions_is_about_what_is_not_there(questions):
    share = np.mean([not question.present for question in questions])
    assert 0.25 < share < 0.33


def test_a_thing_too_small_to_see_well_is_neither_asked_for_nor_called_absent():
    ids = np.zeros((60, 60), np.uint8)
    ids[0, 0], ids[10:20, 10:20] = 1, 2
    questions = asked(ids, (Thing("duck", "yellow"), Thing("cup", "red")), count=2000)
    assert not [question for question in questions if "duck" in plain(question) and question.form != "absent"]
    assert not about(questions, "duck")
    assert not about(questions, "yellow duck")


def test_the_same_rng_asks_the_same():
    assert [q.instruction for q in asked(TABLE, THINGS, seed=3)] == [
        q.instruction for q in asked(TABLE, THINGS, seed=3)
    ]
    assert [q.instruction for q in asked(TABLE, THINGS, seed=3)] != [
        q.instruction for q in asked(TABLE, THINGS, seed=4)
    ]


def test_capitals_and_full_stops_vary(questions):
    assert 0.02 < np.mean([question.instruction.endswith(".") for question in questions]) < 0.12
    assert 0.1 < np.mean([question.instruction[0].isupper() for question in questions]) < 0.3
    assert not [question for question in questions if question.instruction.endswith("?.")]


def test_words_and_what_they_mean():
    assert kinds_called("mug") == {"cup"}
    assert kinds_called("fruit") >= {"apple", "banana", "pear"}
    assert kinds_called("unicorn") == frozenset(), "it is asked for where nothing else is absent"
    assert colors_called("crimson") == {"red"}
    assert colors_called("green") == {"green", "lime"}
    assert not any(kinds_called(word) for word in ANYTHING)
