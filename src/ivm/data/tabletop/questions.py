"""Instructions about a scene, each with the exact mask of what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop.colors import COLORS, confusable
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.scene import Thing

SMALLEST = 0.0009
"""Share of the picture below which a thing is too small to be asked for or to be called absent."""

ONE_TARGET = (
    "the {}",
    "the {}",
    "the {}",
    "{}",
    "a {}",
    "pick up the {}",
    "pick up the {}",
    "pick up the {}",
    "pick the {} up",
    "grab the {}",
    "take the {}",
    "get the {}",
    "grasp the {}",
    "lift the {}",
    "find the {}",
    "where is the {}?",
    "show me the {}",
    "give me the {}",
    "hand me the {}",
    "bring me the {}",
    "look at the {}",
    "point to the {}",
    "touch the {}",
    "push the {}",
    "move the {}",
    "I need the {}",
    "I want the {}",
    "please pick up the {}",
    "can you see the {}?",
    "can you get me the {}?",
    "is there a {} on the table?",
    "what is the {} made of?",
    "where can I find the {}",
    "locate the {}",
    "segment the {}",
    "could you pass the {}, please?",
    "the {} on the table",
    "what is next to the {}?",
    "go to the {}",
    "reach for the {}",
    "highlight the {}",
    "keep only the {}",
)
"""Templates that need one thing."""

TWO_TARGETS = (
    "put the {} on the {}",
    "put the {} in the {}",
    "put the {} into the {}",
    "place the {} on the {}",
    "place the {} in the {}",
    "move the {} to the {}",
    "move the {} next to the {}",
    "drop the {} into the {}",
    "pick up the {} and place it on the {}",
    "pick up the {} and put it in the {}",
    "stack the {} on the {}",
    "the {} and the {}",
    "bring the {} to the {}",
    "set the {} beside the {}",
    "take the {} and put it on the {}",
    "push the {} towards the {}",
    "grab the {} and drop it in the {}",
    "how far is the {} from the {}?",
)
"""Templates that need two things."""

SIDES = {
    "left": ("left {}", "leftmost {}", "{} on the left", "{} to the left"),
    "right": ("right {}", "rightmost {}", "{} on the right", "{} to the right"),
    "largest": ("largest {}", "biggest {}", "big {}", "larger {}"),
    "smallest": ("smallest {}", "small {}", "tiniest {}", "smaller {}"),
}
"""Ways to say which of several."""

ANYTHING = ("thing", "object", "item", "one")
"""Nouns that fit every kind."""


@dataclass(frozen=True)
class Question:
    """An instruction with its answer."""

    instruction: str
    mask: NDArray[np.uint8]
    """(H, W) uint8: 1 needed, 0 not needed, 255 undecided (a thing that some people would include)."""
    present: bool
    """False when what is asked for is not in the picture."""
    form: str
    """"single", "color", "side", "two" or "absent"."""


@dataclass(frozen=True)
class _Phrase:
    """A noun phrase and the ids of what it means."""

    text: str
    ids: frozenset[int]
    undecided: frozenset[int] = field(default=frozenset())


def kinds_called(noun: str) -> frozenset[str]:
    """Names of all kinds for which people use this noun."""
    return frozenset(kind.name for kind in KINDS.values() if noun == kind.name or noun in kind.also)


def colors_called(word: str) -> frozenset[str]:
    """Names of all colours for which people use this word."""
    return frozenset(color.name for color in COLORS.values() if word == color.name or word in color.also)


class Questioner:
    """Asks about one picture of a scene.

    Args:
        ids: (H, W) uint8, see `Scene.ids`; may be a crop or a mirror image of the scene's.
        things: the scene's things.
        rng: draws the questions.
        kinds: names of the only kinds that are asked for in vain; none for all.
    """

    def __init__(
        self, ids: NDArray[np.uint8], things: Sequence[Thing], rng: np.random.Generator, kinds: Sequence[str] = ()
    ) -> None:
        self.ids, self.things, self.rng, self.kinds = ids, things, rng, tuple(kinds) or tuple(KINDS)
        areas = np.bincount(ids.ravel(), minlength=256)
        self.area = {i: int(areas[i]) for i in range(1, len(things) + 1)}
        self.seen = [i for i, area in self.area.items() if area]
        self.clear = [i for i in self.seen if self.area[i] >= SMALLEST * ids.size]
        columns = np.arange(ids.shape[1])
        self.middle = {i: float((ids == i).sum(axis=0) @ columns / self.area[i]) for i in self.clear}

    def ask(self, count: int) -> list[Question]:
        """Draw `count` questions; about 28 % are about what is not there."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Question:
        draw = self.rng.random()
        if self.clear and draw < 0.72:
            for ask, until in ((self._two, 0.14), (self._side, 0.28), (self._color, 0.34), (self._single, 1.0)):
                if draw < until and (question := ask()) is not None:
                    return question
        return self._absent()

    def _answer(
        self, instruction: str, form: str, ids: frozenset[int], undecided: frozenset[int] = frozenset()
    ) -> Question:
        mask = np.isin(self.ids, list(ids)).astype(np.uint8)
        if undecided - ids:
            mask[np.isin(self.ids, list(undecided - ids))] = 255
        return Question(self._spoken(instruction), mask, bool(ids), form)

    def _spoken(self, text: str) -> str:
        """Vary capitals and the full stop, as people do."""
        if self.rng.random() < 0.15:
            text = text[0].upper() + text[1:]
        return text + "." if self.rng.random() < 0.06 and text[-1] not in "?." else text

    def _choice(self, options: Sequence[str]) -> str:
        return options[int(self.rng.integers(len(options)))]

    def _noun(self, kind: str) -> str:
        also = KINDS[kind].also
        return kind if not also or self.rng.random() < 0.68 else self._choice(also)

    def _color_word(self, color: str) -> str:
        also = COLORS[color].also
        return color if not also or self.rng.random() < 0.75 else self._choice(also)

    def _target(self) -> int:
        """A thing to ask for; mostly one that shares its colour or its kind with others, so that both words count."""
        if self.rng.random() < 0.6:
            shared = [
                i
                for i in self.clear
                if any(
                    j != i
                    and (self._thing(j).color == self._thing(i).color or self._thing(j).kind == self._thing(i).kind)
                    for j in self.clear
                )
            ]
            if shared:
                return shared[int(self.rng.integers(len(shared)))]
        return self.clear[int(self.rng.integers(len(self.clear)))]

    def _thing(self, id_: int) -> Thing:
        return self.things[id_ - 1]

    def _phrase(self, target: int) -> _Phrase:
        """Name a thing by kind, with its colour or without."""
        thing = self._thing(target)
        noun = self._noun(thing.kind)
        kinds = kinds_called(noun)
        alike = [i for i in self.seen if self._thing(i).kind in kinds]
        if self.rng.random() < 0.35:
            return _Phrase(noun, frozenset(alike))
        word = self._color_word(thing.color)
        colors = colors_called(word)
        ids = frozenset(i for i in alike if self._thing(i).color in colors)
        maybe = frozenset(i for i in alike if any(confusable(self._thing(i).color, color) for color in colors))
        return _Phrase(f"{word} {noun}", ids, maybe - ids)

    def _single(self) -> Question:
        phrase = self._phrase(self._target())
        return self._answer(self._choice(ONE_TARGET).format(phrase.text), "single", phrase.ids, phrase.undecided)

    def _color(self) -> Question:
        word = self._color_word(self._thing(self._target()).color)
        colors = colors_called(word)
        ids = frozenset(i for i in self.seen if self._thing(i).color in colors)
        maybe = frozenset(i for i in self.seen if any(confusable(self._thing(i).color, color) for color in colors))
        text = self._choice(ONE_TARGET).format(f"{word} {self._choice(ANYTHING)}")
        return self._answer(text, "color", ids, maybe)

    def _two(self) -> Question | None:
        first, second = self._phrase(self._target()), self._phrase(self._target())
        if first.ids & second.ids:
            return None
        text = self._choice(TWO_TARGETS).format(first.text, second.text)
        return self._answer(text, "two", first.ids | second.ids, first.undecided | second.undecided)

    def _side(self) -> Question | None:
        """Ask for the one of several that is farthest left or right, or clearly the largest or smallest."""
        target = self._target()
        if self.rng.random() < 0.75:
            phrase = self._phrase(target)
        else:
            word = self._color_word(self._thing(target).color)
            ids = frozenset(i for i in self.seen if self._thing(i).color in colors_called(word))
            phrase = _Phrase(f"{word} {self._choice(ANYTHING)}", ids)
        members = [i for i in phrase.ids if i in self.clear]
        if len(members) < 2 or phrase.undecided:
            return None
        side = self._choice(tuple(SIDES))
        measure = self.middle if side in ("left", "right") else self.area
        best, next_best = sorted(members, key=measure.__getitem__, reverse=side in ("right", "largest"))[:2]
        if side in ("left", "right"):
            plain = abs(self.middle[best] - self.middle[next_best]) > 0.08 * self.ids.shape[1]
        else:
            large, small = sorted((self.area[best], self.area[next_best]), reverse=True)
            plain = large > 1.35 * small
        if not plain:
            return None
        text = self._choice(SIDES[side]).format(phrase.text)
        return self._answer(self._choice(ONE_TARGET).format(text), "side", frozenset({best}))

    def _absent(self) -> Question:
        """Ask for something that is not there, often something that nearly is."""
        colors = list(COLORS)
        for _ in range(30):
            if self.clear and self.rng.random() < 0.45:
                kind = self._thing(self._target()).kind
                color: str | None = self._choice(colors)
            else:
                kind = self._choice(self.kinds)
                color = None
                if self.rng.random() < 0.6:
                    color = (
                        self._thing(self._target()).color
                        if self.clear and self.rng.random() < 0.6
                        else self._choice(colors)
                    )
            noun = self._noun(kind)
            word = None if color is None else self._color_word(color)
            if not self._maybe_there(noun, word):
                text = noun if word is None else f"{word} {noun}"
                return self._answer(self._choice(ONE_TARGET).format(text), "absent", frozenset())
        return self._answer("the unicorn", "absent", frozenset())

    def _maybe_there(self, noun: str, word: str | None) -> bool:
        """Whether anything in the picture might be called so."""
        kinds = kinds_called(noun)
        near = kinds | {other for kind in kinds for other in KINDS[kind].resembles}
        near |= {kind.name for kind in KINDS.values() if kinds & set(kind.resembles)}
        colors = colors_called(word) if word else frozenset()
        return any(
            self._thing(i).kind in near and (word is None or any(confusable(self._thing(i).color, c) for c in colors))
            for i in self.seen
        )
