"""What an episode begins with, drawn from its seed: things and their places, the task, table, light and camera."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivm.core.errors import OptionError
from ivm.data.tabletop.camera import Camera
from ivm.data.tabletop.kinds import KINDS, PLASTIC
from ivm.data.tabletop.layout import Thing
from ivm.data.tabletop.look import Light, backdrop, material, table_material
from ivm.data.tabletop.patterns import TEXTURES
from ivm.data.tabletop.shapes import Floats, Mesh
from ivm.robotics.levels import Level
from ivm.robotics.tasks import SIDES, VERBS, Task, Verb, task_for

TARGETS = (
    Thing("cup", "red"),
    Thing("cup", "blue"),
    Thing("block", "green"),
    Thing("block", "red"),
    Thing("duck", "yellow"),
    Thing("can", "blue"),
    Thing("apple", "green"),
    Thing("pepper", "orange"),
)
"""Things that demonstrations are about."""

GOALS = (Thing("plate", "green"), Thing("plate", "white"))
"""Things onto which others are put."""

UNSEEN = (
    *("banana", "drumstick", "carrot", "lemon", "egg", "donut", "mushroom", "bread", "cheese", "broccoli", "star"),
    *("bottle", "jar", "sponge", "book", "phone", "tape", "ring", "cone", "pyramid", "toy car", "goblet", "teapot"),
)
"""Kinds of things that no demonstration shows."""

MOST_THINGS = 10
REACH_X, REACH_Y = 15.0, 10.0
"""Half sides of the part of the table, in cm, in which things lie."""

GRIP_RADIUS = 2.3
"""Radius in cm to which things are scaled that the gripper takes."""

TRAINED_SEED = 1
"""Draws how everything looks in training."""


@dataclass(frozen=True)
class Item:
    """One thing on the table at the beginning of an episode; lengths in cm."""

    thing: Thing
    mesh: Mesh
    """The specimen, as it was built."""
    scale: float
    yaw: float
    """Degrees about the vertical."""
    x: float
    y: float
    half: tuple[float, float, float]
    """Half sizes of the solid with which it collides, a box or an upright cylinder."""
    is_box: bool
    materials: tuple[Floats, ...]

    @property
    def radius(self) -> float:
        """Of the smallest upright cylinder around it."""
        return math.hypot(*self.half[:2]) if self.is_box else self.half[0]


@dataclass(frozen=True)
class Look:
    """Everything that a picture depends on besides things."""

    table: Floats
    light: Light
    camera: Camera
    backdrop: Floats
    photo_seed: int
    """Draws the camera's faults, the same for all pictures of an episode."""


@dataclass(frozen=True)
class Setting:
    """How an episode begins."""

    task: Task
    items: tuple[Item, ...]
    look: Look


class Specimens:
    """One specimen of each kind, always the same: a renderer takes them in once for all episodes."""

    def __init__(self) -> None:
        kinds = {thing.kind for thing in (*TARGETS, *GOALS)} | set(UNSEEN)
        self.of = {name: KINDS[name].build(np.random.default_rng((2, zlib.crc32(name.encode())))) for name in kinds}


def draw_setting(
    rng: np.random.Generator, specimens: Specimens, level: Level, verbs: Sequence[Verb] = VERBS, others: int = 2
) -> Setting:
    """Draw how an episode begins.

    Args:
        rng: draws everything.
        specimens: shapes of things.
        level: what is other than in training.
        verbs: kinds of tasks.
        others: things of training beside the one asked for, 0 to 4.

    Raises:
        OptionError: no verb, an unknown one, or `others` is out of range.
    """
    if not verbs or set(verbs) - set(VERBS):
        raise OptionError(f"The verbs must be among {', '.join(VERBS)}, not {list(verbs)}")
    if not 0 <= others <= 4:
        raise OptionError(f"The number of other things must be from 0 to 4, not {others}")
    verb = verbs[int(rng.integers(len(verbs)))]
    chosen = [TARGETS[i] for i in rng.permutation(len(TARGETS))[: 1 + others]]
    if verb == "put" or (len(verbs) > 1 and "put" in verbs and rng.random() < 0.5):
        chosen.append(GOALS[int(rng.integers(len(GOALS)))])
    chosen += _clutter(rng, level, chosen)
    things = chosen[:MOST_THINGS]
    items = _lay_out(rng, specimens, things)
    goal = next((i for i, thing in enumerate(things, 1) if thing in GOALS), None)
    side = SIDES[int(rng.integers(2))]
    task = task_for(verb, things, target=1, goal=goal if verb == "put" else None, side=side)
    return Setting(task, tuple(items), _look(rng, level))


def _clutter(rng: np.random.Generator, level: Level, chosen: Sequence[Thing]) -> list[Thing]:
    """Things that training did not show."""
    if level.clutter == "none":
        return []
    count = int(rng.integers(4, 7))
    if level.clutter == "unseen":
        kinds = [UNSEEN[i] for i in rng.permutation(len(UNSEEN))[:count]]
        return [Thing(kind, str(rng.choice(KINDS[kind].usual))) for kind in kinds]
    target, rows = chosen[0], list[Thing]()
    while len(rows) < count:
        if rng.random() < 0.5:
            like = Thing(target.kind, str(rng.choice(PLASTIC.split())))
        else:
            like = Thing(str(rng.choice(["cup", "block", "can", "apple", "cone", "ring", "star"])), target.color)
        if like not in chosen and like not in rows:
            rows.append(like)
    return rows


def _lay_out(rng: np.random.Generator, specimens: Specimens, things: Sequence[Thing]) -> list[Item]:
    """Give all things places with room for the gripper around the one asked for."""
    bodies = [_body(rng, specimens, thing) for thing in things]
    slack = 1.0
    while True:
        items: list[Item] = []
        for number, body in enumerate(bodies):
            for _ in range(40):
                x, y = rng.uniform(-REACH_X, REACH_X), rng.uniform(-REACH_Y, REACH_Y)
                # The gripper comes down on the first thing, and on a goal.
                room = [
                    slack * (4.0 if j == 0 or number == 0 else 1.0) + body.radius + i.radius
                    for j, i in enumerate(items)
                ]
                if all(math.hypot(x - i.x, y - i.y) > far for i, far in zip(items, room, strict=True)):
                    items.append(Item(**{**vars(body), "x": x, "y": y}))
                    break
            else:
                break
        if len(items) == len(bodies):
            return items
        slack *= 0.9


def _body(rng: np.random.Generator, specimens: Specimens, thing: Thing) -> Item:
    mesh, trained = specimens.of[thing.kind], thing in TARGETS or thing in GOALS
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    spread = float(np.percentile(np.linalg.norm(mesh.vertices[:, :2], axis=1), 90))
    is_box = thing.kind in ("block", "book", "phone", "sponge")
    if thing in GOALS:
        scale = 6.0 / spread
    elif is_box:
        scale = min(2 * GRIP_RADIUS / float(max(high[0] - low[0], high[1] - low[1])), 6.0 / float(high[2]))
    else:
        scale = min(GRIP_RADIUS / spread, 6.5 / float(high[2]))
    if not trained:
        scale *= float(rng.uniform(0.9, 1.4))
    size = (high - low) * scale / 2
    half = tuple(size) if is_box else (spread * scale, spread * scale, size[2])
    yaw = float(rng.uniform(-20, 20) if is_box else rng.uniform(0, 360))
    kind = KINDS[thing.kind]
    paint = np.random.default_rng((3, zlib.crc32(f"{thing.color} {thing.kind}".encode()))) if trained else rng
    colors = [thing.color, *(thing.color if part == "self" else part for part in kind.parts)]
    materials = [material(paint, color, kind.texture if i == 0 else "plain") for i, color in enumerate(colors)]
    if trained:
        for row in materials:
            row[12] = 0  # nothing in training is see-through
    return Item(
        thing, mesh, scale, yaw, 0, 0, (float(half[0]), float(half[1]), float(half[2])), is_box, tuple(materials)
    )


def _look(rng: np.random.Generator, level: Level) -> Look:
    """Table, light and camera: those of training, but for what the level changes."""
    trained = np.random.default_rng(TRAINED_SEED)
    table = material(trained, "wooden", "grain")
    table[:3], table[10], table[11], table[7] = (0.42, 0.33, 0.24), TEXTURES.index("grain"), 6.0, 0.05
    table[3:6] = table[:3] * 0.8
    room, light = backdrop(trained), Light.draw(trained, table)
    camera, photo_seed = _camera(0, 0, 0, 0), TRAINED_SEED
    if level.table:
        table, room = table_material(rng), backdrop(rng)
    if level.light:
        light = Light.draw(rng, table)
    if level.camera:
        turn, rise, near, roll = rng.uniform((-6, -5, -2.5, -2), (6, 5, 2.5, 2))
        camera, photo_seed = _camera(turn, rise, near, roll), int(rng.integers(1 << 31))
    return Look(table, light, camera, room, photo_seed)


def _camera(turn: float, rise: float, near: float, roll: float) -> Camera:
    """The camera of training, moved: degrees around the table, up, and about its axis; cm towards the table."""
    return Camera.looking_at(
        (0.0, 0.5, 3.0),
        elevation=math.radians(52 + rise),
        turn=math.radians(-90 + turn),
        distance=50 - near,
        roll=math.radians(roll),
        focal=1.15,
    )
