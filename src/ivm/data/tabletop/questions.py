"""Instructions about a scene, each with the exact mask of what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivm.data.tabletop.colors import COLORS, confusable
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.layout import Thing
from ivm.data.tabletop.relations import RELATIONS
from ivm.data.tabletop.wordings import ANYTHING, ONE_TARGET, SIDES, TWO_TARGETS, colors_called, kinds_called

SMALLEST = 0.0009
"""Share of the picture below which a thing is too small to be asked for or to be called absent."""

RELATED = 0.4
"""Share of the questions that take one of the further forms, where those are asked for."""


@dataclass(frozen=True)
class Question:
    """An instruction with its answer."""

    instruction: str
    mask: NDArray[np.uint8]
    """(H, W) uint8: 1 needed, 0 not needed, 255 undecided (a thing that some people would include)."""
    present: bool
    """False when what is asked for is not in the picture."""
    form: str
    """"single", "color", "side", "two", "absent", or a name in `relations.RELATIONS`."""


@dataclass(frozen=True)
class Phrase:
    """A noun phrase and the ids of what it means."""

    text: str
    ids: frozenset[int]
    undecided: frozenset[int] = field(default=frozenset())


class Questioner:
    """Asks about one picture of a scene.

    Args:
        ids: (H, W) uint8, see `Scene.ids`; may be a crop or a mirror image of the scene's.
        things: the scene's things.
        rng: draws the questions.
        kinds: names of the only kinds that are asked for in vain; none for all.
        forms: names of further forms in `relations.RELATIONS` to ask in too.
    """

    def __init__(
        self,
        ids: NDArray[np.uint8],
        things: Sequence[Thing],
        rng: np.random.Generator,
        kinds: Sequence[str] = (),
        forms: Sequence[str] = (),
    ) -> None:
        self.ids, self.things, self.rng, self.kinds = ids, things, rng, tuple(kinds) or tuple(KINDS)
        self.forms = tuple(forms)
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
        # Without further forms nothing is drawn for them: streams of earlier versions stay as they were.
        if self.forms and self.clear and self.rng.random() < RELATED:
            question = RELATIONS[self.choice(self.forms)](self)
            if question is not None:
                return question
        draw = self.rng.random()
        if self.clear and draw < 0.72:
            for ask, until in ((self.two, 0.14), (self.side, 0.28), (self._color, 0.34), (self._single, 1.0)):
                if draw < until and (question := ask()) is not None:
                    return question
        return self._absent()

    def answer(
        self, instruction: str, form: str, ids: frozenset[int], undecided: frozenset[int] = frozenset()
    ) -> Question:
        """Put an instruction together with its mask: `ids` are needed; `undecided` ones are so unless needed."""
        mask = np.isin(self.ids, list(ids)).astype(np.uint8)
        if undecided - ids:
            mask[np.isin(self.ids, list(undecided - ids))] = 255
        return Question(self._spoken(instruction), mask, bool(ids), form)

    def _spoken(self, text: str) -> str:
        """Vary capitals and the full stop, as people do."""
        if self.rng.random() < 0.15:
            text = text[0].upper() + text[1:]
        return text + "." if self.rng.random() < 0.06 and text[-1] not in "?." else text

    def choice(self, options: Sequence[str]) -> str:
        """Draw one of several texts."""
        return options[int(self.rng.integers(len(options)))]

    def noun(self, kind: str) -> str:
        """Draw a word for a kind, mostly the usual one."""
        also = KINDS[kind].also
        return kind if not also or self.rng.random() < 0.68 else self.choice(also)

    def color_word(self, color: str) -> str:
        """Draw a word for a colour, mostly the usual one."""
        also = COLORS[color].also
        return color if not also or self.rng.random() < 0.75 else self.choice(also)

    def target(self) -> int:
        """A thing to ask for; mostly one that shares its colour or its kind with others, so that both words count."""
        if self.rng.random() < 0.6:
            shared = [
                i
                for i in self.clear
                if any(
                    j != i and (self.thing(j).color == self.thing(i).color or self.thing(j).kind == self.thing(i).kind)
                    for j in self.clear
                )
            ]
            if shared:
                return shared[int(self.rng.integers(len(shared)))]
        return self.clear[int(self.rng.integers(len(self.clear)))]

    def thing(self, id_: int) -> Thing:
        """Return the thing with an id."""
        return self.things[id_ - 1]

    def phrase(self, target: int) -> Phrase:
        """Name a thing by kind, with its colour or without."""
        thing = self.thing(target)
        noun = self.noun(thing.kind)
        kinds = kinds_called(noun)
        alike = [i for i in self.seen if self.thing(i).kind in kinds]
        if self.rng.random() < 0.35:
            return Phrase(noun, frozenset(alike))
        word = self.color_word(thing.color)
        colors = colors_called(word)
        ids = frozenset(i for i in alike if self.thing(i).color in colors)
        maybe = frozenset(i for i in alike if any(confusable(self.thing(i).color, color) for color in colors))
        return Phrase(f"{word} {noun}", ids, maybe - ids)

    def _single(self) -> Question:
        phrase = self.phrase(self.target())
        return self.answer(self.choice(ONE_TARGET).format(phrase.text), "single", phrase.ids, phrase.undecided)

    def _color(self) -> Question:
        word = self.color_word(self.thing(self.target()).color)
        colors = colors_called(word)
        ids = frozenset(i for i in self.seen if self.thing(i).color in colors)
        maybe = frozenset(i for i in self.seen if any(confusable(self.thing(i).color, color) for color in colors))
        text = self.choice(ONE_TARGET).format(f"{word} {self.choice(ANYTHING)}")
        return self.answer(text, "color", ids, maybe)

    def two(self) -> Question | None:
        """Ask for two things at once, neither of which the words for the other mean too."""
        first, second = self.phrase(self.target()), self.phrase(self.target())
        if first.ids & second.ids:
            return None
        text = self.choice(TWO_TARGETS).format(first.text, second.text)
        return self.answer(text, "two", first.ids | second.ids, first.undecided | second.undecided)

    def side(self) -> Question | None:
        """Ask for the one of several that is farthest left or right, or clearly the largest or smallest."""
        target = self.target()
        if self.rng.random() < 0.75:
            phrase = self.phrase(target)
        else:
            word = self.color_word(self.thing(target).color)
            ids = frozenset(i for i in self.seen if self.thing(i).color in colors_called(word))
            phrase = Phrase(f"{word} {self.choice(ANYTHING)}", ids)
        members = [i for i in phrase.ids if i in self.clear]
        if len(members) < 2 or phrase.undecided:
            return None
        side = self.choice(tuple(SIDES))
        measure = self.middle if side in ("left", "right") else self.area
        best, next_best = sorted(members, key=measure.__getitem__, reverse=side in ("right", "largest"))[:2]
        if side in ("left", "right"):
            plain = abs(self.middle[best] - self.middle[next_best]) > 0.08 * self.ids.shape[1]
        else:
            large, small = sorted((self.area[best], self.area[next_best]), reverse=True)
            plain = large > 1.35 * small
        if not plain:
            return None
        text = self.choice(SIDES[side]).format(phrase.text)
        return self.answer(self.choice(ONE_TARGET).format(text), "side", frozenset({best}))

    def _absent(self) -> Question:
        """Ask for something that is not there, often something that nearly is."""
        colors = list(COLORS)
        for _ in range(30):
            if self.clear and self.rng.random() < 0.45:
                kind = self.thing(self.target()).kind
                color: str | None = self.choice(colors)
            else:
                kind = self.choice(self.kinds)
                color = None
                if self.rng.random() < 0.6:
                    color = (
                        self.thing(self.target()).color
                        if self.clear and self.rng.random() < 0.6
                        else self.choice(colors)
                    )
            noun = self.noun(kind)
            word = None if color is None else self.color_word(color)
            if not self._maybe_there(noun, word):
                text = noun if word is None else f"{word} {noun}"
                return self.answer(self.choice(ONE_TARGET).format(text), "absent", frozenset())
        return self.answer("the unicorn", "absent", frozenset())

    def _maybe_there(self, noun: str, word: str | None) -> bool:
        """Whether anything in the picture might be called so."""
        kinds = kinds_called(noun)
        near = kinds | {other for kind in kinds for other in KINDS[kind].resembles}
        near |= {kind.name for kind in KINDS.values() if kinds & set(kind.resembles)}
        colors = colors_called(word) if word else frozenset()
        return any(
            self.thing(i).kind in near and (word is None or any(confusable(self.thing(i).color, c) for c in colors))
            for i in self.seen
        )
