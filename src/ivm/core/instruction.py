"""What a person asks: a checked sentence, and the numbers that the embedded model reads in its place."""

from __future__ import annotations

import re
import unicodedata
import zlib

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import InstructionError

MAX_WORDS = 64
"""Longest instruction in words that any model here is asked."""

PIECES = 8
"""Hash ids per word: the word itself and up to seven of its letter triples."""

BUCKETS = 4096
"""Size of each of the two hash tables; ids run from 1 to `2 * BUCKETS`, 0 is padding."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def check_instruction(instruction: str) -> str:
    """Return the instruction in Unicode form NFKC, white space collapsed, ready for any model.

    Raises:
        InstructionError: it is not a string, holds no word, or more than `MAX_WORDS` words.
    """
    if not isinstance(instruction, str):
        raise InstructionError(f"The instruction must be text, not {type(instruction).__name__}: pass a string")
    clean = " ".join(unicodedata.normalize("NFKC", instruction).split())
    count = len(_WORD.findall(clean))
    if count == 0:
        raise InstructionError("The instruction holds no word: say what to keep, for example 'the red cup'")
    if count > MAX_WORDS:
        raise InstructionError(f"The instruction has {count} words, {MAX_WORDS} at most: say it shorter")
    return clean


def token_ids(instruction: str) -> NDArray[np.int64]:
    """Hash a checked instruction into the ids that `ivm-nano` embeds; any word of any language has some.

    Each word is the set of itself and its letter triples, as in Bojanowski et al., "Enriching Word Vectors with
    Subword Information" (arXiv 1607.04606), so that "cups" is near "cup" and a new word is near its spelling.

    Args:
        instruction: as `check_instruction` returned it.

    Returns:
        (words, PIECES) int64 in [0, 2 * BUCKETS]; 0 pads the pieces of short words.
    """
    words = [word.casefold() for word in _WORD.findall(instruction)][:MAX_WORDS]
    ids = np.zeros((len(words), PIECES), np.int64)
    for row, word in zip(ids, words, strict=True):
        row[0] = 1 + zlib.crc32(word.encode()) % BUCKETS
        framed = f"<{word}>"
        triples = [framed[i : i + 3] for i in range(len(framed) - 2)][: PIECES - 1]
        for column, triple in enumerate(triples, start=1):
            row[column] = 1 + BUCKETS + zlib.crc32(triple.encode()) % BUCKETS
    return ids


def token_batch(instructions: list[str]) -> NDArray[np.int64]:
    """Stack `token_ids` of several instructions, padded with 0 to the longest: (N, words, PIECES) int64."""
    rows = [token_ids(instruction) for instruction in instructions]
    batch = np.zeros((len(rows), max(len(row) for row in rows), PIECES), np.int64)
    for out, row in zip(batch, rows, strict=True):
        out[: len(row)] = row
    return batch
