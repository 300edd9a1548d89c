"""What moves above a table and is never asked for: a robot's gripper on its arm, a person's hand."""

from __future__ import annotations

import numpy as np

from ivm.data.tabletop.look import material
from ivm.data.tabletop.shapes import Floats, Mesh, box, ellipsoid, join, rotation, tube


def gripper(rng: np.random.Generator) -> tuple[Mesh, list[Floats]]:
    """A two-finger gripper that hangs from an arm; its finger tips are at the origin."""
    open_by, long = rng.uniform(1.5, 5), rng.uniform(5, 9)
    parts = []
    for side in (-1, 1):
        finger = box(rng.uniform(1.2, 2.2), 1.8, long).moved(rotation("y", side * rng.uniform(-8, 8)))
        parts.append(finger.moved(offset=(side * open_by, 0, 0)))
        parts.append(
            box(2.4, 2.2, 3).moved(offset=(side * (open_by + 0.4), 0, long * 0.8)).part(int(rng.random() < 0.5))
        )
    parts.append(box(2 * open_by + 6, 4, 3).moved(offset=(0, 0, long + 2)))
    lean = rotation("x", rng.uniform(-25, 25)) @ rotation("y", rng.uniform(-25, 25))
    wrist = join(
        *(
            box(rng.uniform(4, 8), rng.uniform(4, 8), 5).moved(rotation("z", rng.uniform(0, 90)), (0, 0, z)).part(i % 2)
            for i, z in enumerate((0, 4.5, 9))
        )
    )
    arm = tube(
        [(0, 0, 12), (rng.normal(0, 8), rng.normal(0, 8), 35), (rng.normal(0, 15), rng.normal(0, 15), 70)],
        rng.uniform(3, 6),
        sides=12,
    )
    parts += [part.moved(lean, (0, 0, long + 4)) for part in (wrist, arm)]
    for _ in range(int(rng.integers(0, 3))):
        swing = rng.normal(0, 9, (3, 2))
        cable = [(swing[0, 0], swing[0, 1], long + 4), (*swing[1] * 1.5, long + 12), (*swing[2] * 2, long + 30)]
        parts.append(tube(cable, 0.5, sides=6))
    colors = ["black", rng.choice(["black", "gray", "silver", "white"])]
    if rng.random() < 0.25:
        colors = ["white", "gray"]
    return join(*parts), [material(rng, str(color)) for color in colors]


def hand(rng: np.random.Generator) -> tuple[Mesh, list[Floats]]:
    """An open hand with its fore-arm, finger tips near the origin."""
    palm = ellipsoid(4.5, 4, 1.8, square=0.7).moved(offset=(7, 0, 4))
    fingers = [
        tube([(9, y, 4), (3, y * 1.3, 4.5), (0, y * 1.4, rng.uniform(0, 3))], [1.0, 0.95, 0.7], sides=8)
        for y in (-3, -1, 1, 3)
    ]
    thumb = tube([(8, 4, 4), (4, 6, 3), (2, 6.5, 2)], [1.2, 1.1, 0.8], sides=8)
    arm = tube([(10, 0, 4), (18, 0, 7), (45, rng.normal(0, 10), 20)], [2.8, 3.0, 4.2], sides=12)
    skin = material(rng, "beige")
    tone = rng.uniform(0, 1)
    skin[:3] = np.square([0.35 + 0.55 * tone, 0.22 + 0.45 * tone, 0.16 + 0.42 * tone])
    skin[3:6], skin[7], skin[10] = skin[:3], 0.05, 0
    sleeve = material(rng, str(rng.choice(["black", "blue", "white", "gray", "red"]))) if rng.random() < 0.5 else skin
    return join(palm, *fingers, thumb, arm.part(1)), [skin, sleeve]
