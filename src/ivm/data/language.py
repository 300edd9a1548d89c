"""Tells instructions in other languages from English ones, by their letters and their small words.

A guess made for short sentences: a bare noun of another language that is written like an English word passes.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W\d_]+")

_ENGLISH_WORDS = (
    "a all and any are at between bottle by can cup do find for from get give hold i in is it its left me move near "
    "object of on one open or out pick place put push red right show the them then there thing this to top up what "
    "where which who with you your"
)
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_SHARED = frozenset({"a", "do", "in", "is", "me"})
"""English words that other languages have, too, and that prove nothing."""

_OTHERS = {
    "German": "der das den dem des ein eine einen einem nimm auf und ist wo bitte nach von mit zum zur heb lege rote "
    "roten blaue grüne tasse teller",
    "French": "le la les un une des du au aux prends prenez et où est sur avec dans rouge bleu vert tasse ramasse",
    "Spanish": "el la los las un una del coge toma recoge y dónde está con sobre en rojo roja taza plato",
    "Italian": "il lo la gli una del della prendi e dove è con su rosso rossa tazza piatto",
    "Portuguese": "o os as um uma do da pegue pega e onde está com na no vermelho vermelha xícara prato",
    "Dutch": "het een de pak en waar op met naar rode kopje bord",
}
_SMALL_WORDS = {language: frozenset(words.split()) - _ENGLISH for language, words in _OTHERS.items()}


def other_language(text: str) -> str | None:
    """Name the language or the script of a text that is not English, or return None.

    Args:
        text: an instruction.
    """
    letters = [letter for letter in text if letter.isalpha()]
    foreign = [letter for letter in letters if not unicodedata.name(letter, "").startswith("LATIN")]
    if len(foreign) * 3 > len(letters):
        return unicodedata.name(foreign[0], "another").split(" ")[0].title() + " script"
    words = [word.casefold() for word in _WORD.findall(text)]
    if any(word in _ENGLISH - _SHARED for word in words):
        return None
    counts = {language: sum(word in small for word in words) for language, small in _SMALL_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None
