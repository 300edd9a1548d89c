"""Where specimens come from: built anew for each scene, or taken from a shelf that many scenes share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ivm.data.tabletop.kinds import KINDS, Kind
from ivm.data.tabletop.robot import gripper, hand
from ivm.data.tabletop.shapes import Floats, Mesh

ARMS = {"gripper": gripper, "hand": hand}
"""What moves above a table, and what builds it."""


class Workshop:
    """Builds every specimen anew."""

    def specimen(self, rng: np.random.Generator, kind: Kind) -> Mesh:
        """Return a specimen of a kind."""
        return kind.build(rng)

    def arm(self, rng: np.random.Generator, name: str) -> tuple[Mesh, list[Floats]]:
        """Return one of `ARMS` with the materials of its parts."""
        return ARMS[name](rng)


class Shelf(Workshop):
    """Holds specimens of every kind, several of common ones, for renderers that are slow to take in a new mesh.

    Args:
        rng: draws the specimens.
        kinds: names of the only kinds that are wanted; none for all.
    """

    def __init__(self, rng: np.random.Generator, kinds: Sequence[str] = ()) -> None:
        chosen = [kind for kind in KINDS.values() if not kinds or kind.name in kinds]
        self._specimens = {kind.name: [kind.build(rng) for _ in range(math.ceil(kind.weight))] for kind in chosen}
        self._arms = {name: [build(rng) for _ in range(3)] for name, build in ARMS.items()}

    def __iter__(self) -> Iterator[Mesh]:
        """Yield every mesh on the shelf."""
        for specimens in self._specimens.values():
            yield from specimens
        for arms in self._arms.values():
            yield from (mesh for mesh, _ in arms)

    def specimen(self, rng: np.random.Generator, kind: Kind) -> Mesh:
        """Return one of the specimens of a kind."""
        specimens = self._specimens[kind.name]
        return specimens[int(rng.integers(len(specimens)))]

    def arm(self, rng: np.random.Generator, name: str) -> tuple[Mesh, list[Floats]]:
        """Return one of the arms of that name with the materials of its parts."""
        arms = self._arms[name]
        return arms[int(rng.integers(len(arms)))]
