"""What the planner without a model makes of commands and questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.core.errors import InstructionError
from ivm.data.tabletop.wordings import DEPTHS, ONE_TARGET, SIDES, TWO_TARGETS
from ivm.labeling.plan import Plan
from ivm.labeling.rules import RulePlanner, parse
from labeling_tasks import make_task

WORDS = ("put", "the", "a", "red", "cup", "on", "in", "and", "from", "with", "to", "pick", "up", "it", "is", "what",
         "left", "of", ",", ".")  # fmt: skip


def told(instruction: str) -> list[tuple[str, str]]:
    targets, understood = parse(instruction)
    assert understood, instruction
    return [(target.phrase, target.role) for target in targets]


@pytest.mark.parametrize("form", sorted(set(ONE_TARGET)))
def test_every_way_to_ask_for_one_thing(form):
    assert [phrase for phrase, _ in told(form.format("red cup"))] in (["the red cup"], ["red cup"], ["a red cup"])


@pytest.mark.parametrize("form", TWO_TARGETS)
def test_every_way_to_ask_for_two_things(form):
    assert [phrase for phrase, _ in told(form.format("red cup", "blue plate"))] == ["the red cup", "the blue plate"]


@pytest.mark.parametrize("form", [form for forms in (*SIDES.values(), *DEPTHS.values()) for form in forms])
def test_which_of_several_stays_in_the_phrase(form):
    which = form.format("red cup")
    assert told(f"grab the {which}") == [(f"the {which}", "target")]


@pytest.mark.parametrize(
    ("instruction", "things"),
    [
        ("Put the duck on the green plate.", [("the duck", "target"), ("the green plate", "container")]),
        ("push the blue block to the left", [("the blue block", "target")]),
        ("move the cup to the left of the plate", [("the cup", "target"), ("the plate", "container")]),
        ("pick up the cup next to the plate", [("the cup next to the plate", "target"), ("the plate", "relation")]),
        ("use the knife to cut the apple", [("the apple", "target"), ("the knife", "tool")]),
        ("wipe the bench with the sponge", [("the bench", "target"), ("the sponge", "tool")]),
        (
            "pour the water from the bottle into the cup",
            [("the water", "target"), ("the bottle", "relation"), ("the cup", "container")],
        ),
        ("take the spoon out of the pot", [("the spoon", "target"), ("the pot", "relation")]),
        ("fill the glass with milk", [("milk", "target"), ("the glass", "container")]),
        ("could you please hand me the cup and the pear", [("the cup", "target"), ("the pear", "target")]),
        ("What colour is the mug in the picture?", [("the mug", "target")]),
        ("How many apples are there?", [("apples", "target")]),
        ("Is the cup on the plate?", [("the cup", "target"), ("the plate", "relation")]),
        ("what is next to the pan?", [("the pan", "relation")]),
        ("Which cup is larger?", [("cup", "target")]),
        ("the duck", [("the duck", "target")]),
    ],
)
def test_commands_and_questions(instruction, things):
    assert told(instruction) == things


@pytest.mark.parametrize(
    "instruction", ["why is the sky blue", "something to cut with", "si prende il piatto rosso grande"]
)
def test_what_is_not_understood_is_asked_for_whole(instruction):
    targets, understood = parse(instruction)
    assert not understood
    assert [target.phrase for target in targets] == [instruction]


@given(st.text(max_size=80))
def test_any_text_gives_a_plan_or_a_named_error(text):
    plan = RulePlanner().plan([make_task(instructions=(text,))])[0]
    assert isinstance(plan, Plan | InstructionError)


@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_heap_of_its_own_words_gives_a_plan_or_a_named_error(words):
    plan = RulePlanner().plan([make_task(instructions=(" ".join(words),))])[0]
    assert isinstance(plan, Plan | InstructionError)


def test_only_wanted_roles_are_kept_and_never_none():
    plan = RulePlanner().plan([make_task(instructions=("pick up the cup on the plate",))])[0]
    assert [one.phrase for one in plan.of_roles(("target",))] == ["the cup on the plate"]
    assert len(plan.of_roles(("tool",))) == 2
