"""Further forms of questions: near and far, beside what, good for what, made of what.

All are read off the map of ids, so they hold for crops and mirror images too. Where people might answer differently,
the thing is undecided, or nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING

import cv2
import numpy as np

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
)

if TYPE_CHECKING:
    from ivm.data.tabletop.questions import Phrase, Question, Questioner

STEEPEST = 2.5
"""How much longer a stretch of the table may be than it looks, away from the camera, for the lowest of cameras."""


def depth(asker: Questioner) -> Question | None:
    """Ask for the one of several that is plainly the nearest or the farthest."""
    phrase = asker.phrase(asker.target())
    members = _plain_members(asker, phrase)
    feet = standing(asker)
    if len(members) < 2 or not feet.keys() >= set(members):
        return None
    way = asker.choice(tuple(DEPTHS))
    best, second = sorted(members, key=feet.__getitem__, reverse=way == "front")[:2]
    if abs(feet[best] - feet[second]) <= 0.08 * asker.ids.shape[0]:
        return None
    text = asker.choice(POINTING).format(asker.choice(DEPTHS[way]).format(phrase.text))
    return asker.answer(text, "depth", frozenset({best}))


def beside(asker: Questioner) -> Question | None:
    """Ask for what is in front of something, or behind it."""
    anchor = asker.target()
    place, phrase = asker.phrase(anchor), asker.phrase(asker.target())
    feet = standing(asker)
    if place.ids != {anchor} or place.undecided or anchor in phrase.ids or anchor not in feet:
        return None
    way = asker.choice(tuple(BESIDE))
    margin, sign = 0.06 * asker.ids.shape[0], 1 if way == "front" else -1
    yes, no = set(), set()
    for i in phrase.ids & feet.keys():
        step = sign * (feet[i] - feet[anchor])
        if step > margin and _in_line(asker, i, anchor):
            yes.add(i)
        elif step < -margin:
            no.add(i)
    if not yes:
        return None
    text = asker.choice(POINTING).format(asker.choice(BESIDE[way]).format(phrase.text, place.text))
    return asker.answer(text, "beside", frozenset(yes), (phrase.ids | phrase.undecided) - yes - no)


def nearest(asker: Questioner) -> Question | None:
    """Ask for the one of several that is plainly the nearest to another thing."""
    anchor = asker.target()
    place, phrase = asker.phrase(anchor), asker.phrase(asker.target())
    members = _plain_members(asker, phrase)
    if place.ids != {anchor} or place.undecided or anchor in members or len(members) < 2:
        return None
    found = set()
    for stretch in (1.0, STEEPEST):
        gaps = gaps_to(asker, anchor, stretch)
        best, second = sorted(members, key=gaps.__getitem__)[:2]
        if gaps[second] <= 1.5 * gaps[best] + 0.03 * asker.ids.shape[1]:
            return None
        found.add(best)
    if len(found) > 1:
        return None
    text = asker.choice(POINTING).format(asker.choice(NEAREST).format(phrase.text, place.text))
    return asker.answer(text, "nearest", frozenset(found))


def use(asker: Questioner) -> Question | None:
    """Ask for things by what they are good for; now and then for a use that nothing here has."""
    kind = asker.thing(asker.target()).kind
    fitting = tuple(name for name, (kinds, _) in USES.items() if kind in kinds)
    name = asker.choice(fitting) if fitting and asker.rng.random() < 0.8 else asker.choice(tuple(USES))
    kinds, perhaps = USES[name]
    ids = frozenset(i for i in asker.seen if asker.thing(i).kind in kinds)
    maybe = frozenset(i for i in asker.seen if asker.thing(i).kind in perhaps)
    return _of_any(asker, asker.choice(USEFUL).format(name), "use", ids, maybe)


def material(asker: Questioner) -> Question | None:
    """Ask for things by what they are made of."""
    name = asker.choice(tuple(MATERIALS))
    sure, unsure, kinds = MATERIALS[name]
    ids, maybe = set(), set()
    for i in asker.seen:
        thing = asker.thing(i)
        if thing.color in sure and thing.kind not in FOOD:
            ids.add(i)
        elif thing.color in sure or thing.kind in kinds or (thing.color in unsure and thing.kind not in FOOD):
            maybe.add(i)
    text = asker.choice(POINTING).format(asker.choice(MADE_OF[name]))
    return _of_any(asker, text, "material", frozenset(ids), frozenset(maybe))


RELATIONS: dict[str, Callable[[Questioner], Question | None]] = {
    "side": methodcaller("side"),
    "two": methodcaller("two"),
    "depth": depth,
    "beside": beside,
    "nearest": nearest,
    "use": use,
    "material": material,
}
"""Further forms by the name that `Questioner` and `TabletopStream` know them by.

A `Questioner` asks for sides and for two at once anyway; named here, more often.
"""


def _of_any(asker: Questioner, text: str, form: str, ids: frozenset[int], maybe: frozenset[int]) -> Question | None:
    """Ask for all of `ids`; call it absent where nothing comes near, and ask nothing where it is too small to tell."""
    if ids & set(asker.clear):
        return asker.answer(text, form, ids, maybe)
    return None if ids or maybe else asker.answer(text, "absent", ids)


def _plain_members(asker: Questioner, phrase: Phrase) -> list[int]:
    """What a phrase means, in order, or nothing where it is not plain what it means or where all of that is."""
    return [] if phrase.undecided or not phrase.ids <= set(asker.clear) else sorted(phrase.ids)


def standing(asker: Questioner) -> dict[int, int]:
    """The lowest row of each thing that is seen where it stands on the table: the lower, the nearer.

    Left out is what lies in or on something, is cut off by the picture's edge, or is hidden below by something else.
    """
    height = asker.ids.shape[0]
    below = np.vstack([asker.ids[1:], np.full_like(asker.ids[:1], 0)])
    feet = {}
    for i in asker.clear:
        mask = asker.ids == i
        rows = np.flatnonzero(mask.any(axis=1))
        bottom = int(rows[-1])
        if asker.thing(i).inside is not None or bottom == height - 1:
            continue
        # The lower edge of its lowest part: what does it border on?
        lowest = mask & (below != i)
        lowest[: max(bottom - max(int(rows[-1] - rows[0]) // 4, 1), 0)] = False
        if (below[lowest] != 0).mean() <= 0.25:
            feet[i] = bottom
    return feet


def _in_line(asker: Questioner, first: int, second: int) -> bool:
    """Whether two things share at least half of the columns of the narrower one."""
    columns = [(asker.ids == i).any(axis=0) for i in (first, second)]
    return bool((columns[0] & columns[1]).sum() >= 0.5 * min(columns[0].sum(), columns[1].sum()))


def gaps_to(asker: Questioner, anchor: int, stretch: float) -> dict[int, float]:
    """Pixels from each clear thing to another one, edge to edge, with the rows `stretch` times as far apart."""
    height, width = asker.ids.shape
    ids = cv2.resize(asker.ids, (width, round(height * stretch)), interpolation=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform((ids != anchor).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    least = np.full(256, np.inf)
    np.minimum.at(least, ids.ravel().astype(np.intp), distance.ravel())
    return {i: float(least[i]) for i in asker.clear}
