"""What a reply says, and what it is worth; what says nothing is worth nothing, and stays in the count."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ivm.evaluation.suites.item import LETTERS, VisualQuestion

State = Literal["answered", "malformed", "empty", "refused", "failed", "no-picture", "no-mask", "unasked"]
"""What became of a question. All but "answered" score 0: "malformed" says something, but no answer; "empty" says
nothing; "refused" will not answer; "failed" never came back from the server; "no-picture" and "no-mask" were not sent,
because the picture could not be read or the mask model failed; "unasked" was left out because the budget was spent."""

STATES: tuple[State, ...] = (
    "answered",
    "malformed",
    "empty",
    "refused",
    "failed",
    "no-picture",
    "no-mask",
    "unasked",
)

ENDINGS = {
    "letter": "Answer with the option's letter from the given choices directly.",
    "yes-no": "Please answer yes or no.",
    "exact": "Answer the question using a single word or phrase.",
    "words": "Answer the question using a single word or phrase.",
    "vqa": "Answer the question using a single word or phrase.",
}
"""What is added to a question of each kind of scoring, the words of V*Bench, MME and LLaVA-1.5."""

_THOUGHT = re.compile(r"<think>.*?</think>|^.*?</think>", re.DOTALL)
_BOXED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"^\W*(i'?m (very )?sorry|sorry|i can(no|')t|i am (unable|not able)|i'?m (unable|not able))\b", re.I
)
_PHRASE = re.compile(r"(?:answer|option|choice)(?:\s+is)?\s*[:=]?\s*\**\(?([A-J])\b(?!['’])", re.I)
_ALONE = re.compile(r"^\W*([A-Ja-j])(?:\W|$)")
_MARKED = re.compile(r"\(([A-J])\)|(?<![A-Za-z])([A-J])[.):](?!\w)|\*\*([A-J])\*\*")


class Marked(NamedTuple):
    """A reply as it is counted."""

    state: State
    said: str
    """The answer that was read from it; empty where there is none."""
    score: float
    """In [0, 1]; only TextVQA gives parts."""


def prompt_of(question: VisualQuestion) -> str:
    """The words of a question: itself, its options by letter, and how to answer."""
    options = [f"({letter}) {text}" for letter, text in zip(question.letters, question.options, strict=True)]
    return "\n".join([question.question, *options, ENDINGS[question.scoring]])


def mark(question: VisualQuestion, reply: str, refused: bool = False) -> Marked:
    """Read a reply and score it.

    Args:
        question: what was asked.
        reply: the model's text.
        refused: whether the server itself says that the model would not answer.
    """
    text = _THOUGHT.sub("", reply).strip()
    if boxed := _BOXED.search(text):
        text = boxed[1].strip()
    if refused or (_REFUSAL.match(text) and not _PHRASE.search(text)):
        return Marked("refused", "", 0.0)
    if not text:
        return Marked("empty", "", 0.0)
    match question.scoring:
        case "letter":
            said = letter_in(text, question.options)
        case "yes-no":
            said = yes_or_no(text)
        case _:
            said = text
    if not said:
        return Marked("malformed", "", 0.0)
    return Marked("answered", said, score_of(question, said))


def score_of(question: VisualQuestion, said: str) -> float:
    """What an answer that could be read is worth, in [0, 1]."""
    right = question.answers[0]
    match question.scoring:
        case "letter" | "yes-no":
            return float(said == right)
        case "exact":
            return float(plain(said) == plain(right))
        case "words":
            return float(f" {plain(right)} " in f" {plain(said)} ")
    return agreement(said, question.answers)


def letter_in(text: str, options: tuple[str, ...]) -> str:
    """The one option that a reply names, by letter or by its text; "" where it names none, or several."""
    letters = LETTERS[: len(options)]
    if alone := _ALONE.match(text):
        letter = alone[1].upper()
        # "A cup" begins with an article: one letter and a word count only where they are that option.
        rest = text[alone.end(1) :].strip(" .):*")
        if letter in letters and (alone[1].isupper() or not rest) and _fits(rest, letter, options):
            others = {next(filter(None, found)) for found in _MARKED.findall(text[alone.end(1) :])} - {letter}
            return "" if others & set(letters) else letter
    for named in (
        [m[1].upper() for m in _PHRASE.finditer(text)],
        [next(filter(None, m)) for m in _MARKED.findall(text)],
    ):
        told = {letter for letter in named if letter in letters}
        if len(told) == 1:
            return told.pop()
        if told:
            return ""
    words = f" {plain(text)} "
    inside = [letter for letter, option in zip(letters, options, strict=True) if f" {plain(option)} " in words]
    return str(inside[0]) if len(inside) == 1 else ""


def _fits(rest: str, letter: str, options: tuple[str, ...]) -> bool:
    """Whether what follows a leading letter does not name another option instead."""
    words = f" {plain(rest)} "
    own = options[LETTERS.index(letter)]
    others = [one for one in options if one != own]
    if letter == "A" and rest and f" {plain(own)} " not in words:
        return not any(f" {plain(one)} " in words for one in others)
    return True


def yes_or_no(text: str) -> str:
    """The "yes" or "no" that a reply begins with, or holds alone; else ""."""
    words = re.findall(r"[a-z]+", text.lower())
    told = {word for word in words if word in ("yes", "no")}
    if words and words[0] in ("yes", "no"):
        return str(words[0])
    return str(told.pop()) if len(told) == 1 else ""


def plain(text: str) -> str:
    """Lower case, no punctuation, no articles, digits for small numbers: the essence of VQA's own normalisation.

    Antol et al., "VQA" (arXiv 1505.00468); their table of contractions is left out.
    """
    kept = re.sub(r"(?<=\d),(?=\d)", "", text.lower())
    kept = re.sub(r"[^\w\s.]|(?<!\d)\.|\.(?!\d)", " ", kept.replace("'", ""))
    words = (_NUMBERS.get(word, word) for word in kept.split() if word not in ("a", "an", "the"))
    return " ".join(words)


_NUMBERS = dict(
    zip("zero one two three four five six seven eight nine ten".split(), map(str, range(11)), strict=True)  # noqa: SIM905
)


def agreement(said: str, answers: tuple[str, ...]) -> float:
    """VQA's accuracy: the mean, leaving each person out in turn, of min(1, others who say the same / 3)."""
    given = [plain(answer) for answer in answers]
    same = [answer == plain(said) for answer in given]
    total = sum(same)
    return sum(min(1.0, (total - one) / 3) for one in same) / len(same)
