"""What replies are read as; what is no answer is worth nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.evaluation.suites.item import FilePicture, VisualQuestion
from ivm.evaluation.trial.marking import agreement, letter_in, mark, plain, prompt_of, yes_or_no

OPTIONS = ("red", "dark blue", "green", "a cup")


def question(scoring="letter", answers=("B",), options=OPTIONS):
    return VisualQuestion(
        id="q",
        category="c",
        picture=FilePicture(Path("a.jpg")),
        question="What color?",
        options=options if scoring == "letter" else (),
        answers=answers,
        scoring=scoring,
    )


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("b", "B"),
        ("B. dark blue", "B"),
        ("B) because the A side is dark", "B"),
        ("The answer is B.", "B"),
        ("The correct option is (C)", "C"),
        ("Answer: **D**", "D"),
        ("I think it is (A).", "A"),
        ("It is dark blue", "B"),
        ("A red one", "A"),
        ("A green one", "C"),
        ("<think>maybe A</think>\nC", "C"),
        ("Let me see. <answer>B</answer>", "B"),
        ("", ""),
        ("E", ""),
        ("(A) or (B)", ""),
        ("It is red or green", ""),
        ("It has no color", ""),
        ("Banana", ""),
    ],
)
def test_the_letter_of_a_reply(reply, letter):
    marked = mark(question(answers=(letter or "B",)), reply)
    assert marked.said == letter
    assert marked.score == float(bool(letter))
    assert marked.state == ("answered" if letter else "malformed" if reply else "empty")


@given(st.text(max_size=60))
def test_any_reply_is_marked(reply):
    for one in (question(), question("yes-no", ("yes",)), question("vqa", ("x",) * 10), question("words", ("x",))):
        marked = mark(one, reply)
        assert 0 <= marked.score <= 1
        assert marked.score == 0 or marked.state == "answered"
    assert letter_in(reply, OPTIONS) in ("", "A", "B", "C", "D")


@pytest.mark.parametrize("reply", ["I'm sorry, I can't help with that.", "Sorry, but no.", "I am unable to see it."])
def test_a_refusal_is_told_apart(reply):
    assert mark(question(), reply).state == "refused"
    assert mark(question(), "B", refused=True) == ("refused", "", 0.0)


@pytest.mark.parametrize(
    ("reply", "said"),
    [("Yes", "yes"), ("no.", "no"), ("Yes, there is no doubt", "yes"), ("There is no dog", "no"), ("Maybe", "")],
)
def test_yes_or_no(reply, said):
    assert yes_or_no(reply) == said


@pytest.mark.parametrize(
    ("scoring", "answers", "reply", "score"),
    [
        ("exact", ("man",), "Man.", 1),
        ("exact", ("man",), "a man", 1),
        ("exact", ("man",), "old man", 0),
        ("words", ("42",), "It says 42 there", 1),
        ("words", ("42",), "142", 0),
        ("words", ("two cups",), "2 cups", 1),
        ("vqa", ("nokia",) * 9 + ("toshiba",), "Nokia", 1.0),
        ("vqa", ("nokia",) * 9 + ("toshiba",), "toshiba", 0.0 + 9 * (1 / 3) / 10),
        ("vqa", ("a", "a", "a", "b", "b", "c", "d", "e", "f", "g"), "b", (8 * 2 / 3 + 2 * 1 / 3) / 10),
        ("yes-no", ("yes",), "no", 0),
    ],
)
def test_scores_by_hand(scoring, answers, reply, score):
    assert mark(question(scoring, answers), reply).score == pytest.approx(score, abs=1e-9)


def test_agreement_needs_three_others():
    assert agreement("x", ("x",) * 4 + ("y",) * 6) == 1.0
    assert agreement("x", ("x",) * 3 + ("y",) * 7) == pytest.approx((7 * 1 + 3 * 2 / 3) / 10)


def test_plain_words():
    assert plain("The U.S. has 1,000 dogs, a cat's!") == "u s has 1000 dogs cats"
    assert plain("3.5 metres") == "3.5 metres"


def test_a_prompt_has_options_and_how_to_answer():
    assert prompt_of(question()).splitlines() == [
        "What color?",
        "(A) red",
        "(B) dark blue",
        "(C) green",
        "(D) a cup",
        "Answer with the option's letter from the given choices directly.",
    ]
    assert prompt_of(question("yes-no", ("no",))).endswith("yes or no.")
