"""Make records of robot frames from a few boxes.

    python scripts/frame_labels.py FRAMES -o runs/frames --against YARDSTICK

`recipes/robot-frames.yaml` has the boxes of what lies on the table in some key frames. GrabCut cuts each thing out of
its box. A camera that stands still sees it at the same place in the other frames of the video, unless it was moved or
the arm is in front of it: the mask is carried to all frames in which its place still looks as it did, less what is
covered. Frames that are nearly those of an evaluation set are left out. `absent/` holds questions about things that
none of the videos shows.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.core.recipe import read_values
from ivm.data.checking import Prints
from ivm.data.record import Record
from ivm.data.shards import write_shard
from ivm.data.sources.objects import ManifestSource
from ivm.data.survey import Survey

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

BOXES = Path(__file__).parents[1] / "recipes" / "robot-frames.yaml"
WORDINGS = ("the {}", "pick up the {}", "where is the {}?", "grasp the {}", "{}", "take the {}")
TWO = (
    "put the {} on the {}",
    "place the {} in the {}",
    "pick up the {} and place it on the {}",
    "move the {} to the {}",
)
GOALS = ("plate", "pan", "pot", "bowl")
ALONE = {
    "yellow duck": "duck",
    "red cup": "cup",
    "blue eggplant": "eggplant",
    "silver pan": "pan",
    "wooden block": "block",
}
"""Things that are the only ones of their kind in all videos, and may be asked for by it."""
MOVED = ("yellow duck", "red cup")
"""What the robot carries about: nearly all of its place must look the same."""
ABSENT = (
    "the blue cup", "the white cup", "the green cup", "the blue bowl", "the white bowl", "the pink duck",
    "the blue duck", "the blue plate", "the white plate", "the blue pepper", "the purple thing", "the orange cup",
    "the black cup", "the red duck", "the green duck", "the yellow cup", "the purple plate", "the banana",
    "the hammer", "the scissors", "the book", "the phone", "the teapot", "the vase", "the carrot", "the corn",
    "the spoon", "the fork", "the knife", "the toy car", "the donut", "the broccoli", "the bottle", "the jar",
    "the bucket", "the mushroom", "the cucumber", "the star", "the strawberry", "the pear", "the can", "the brush",
    "the ball",
)  # fmt: skip
GREY = ("silver pan", "pot", "wooden block", "beige plate")
METAL = ("silver pan", "pot")
BLACK, PALE = 55, 70
"""Brightness below which a pixel is the robot's arm, and saturation below which it may be the table."""
SAME = 38
"""Greatest difference of a colour, of 255, between two views of the same."""
A_SHARD = 400


def main() -> None:
    """Read the frames, write `people/` and `absent/`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path, help="folder with manifest.json")
    parser.add_argument("--against", type=Path, action="append", default=[], help="evaluation set; may be repeated")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args()
    files = unseen(chosen.frames, chosen.against)
    people, absent = [*labelled(chosen.frames, files)], [*not_there(chosen.frames, files)]
    for name, records in (("people", people), ("absent", absent)):
        random.Random(11).shuffle(records)
        (chosen.output / name).mkdir(parents=True, exist_ok=True)
        for start in range(0, len(records), A_SHARD):
            write_shard(chosen.output / name / f"{name}-{start // A_SHARD:06d}.tar", records[start : start + A_SHARD])
    print(f"{len(files)} frames, {len(people)} labels, {len(absent)} questions about what is not there")


def unseen(frames: Path, against: Sequence[Path]) -> list[str]:
    """Names of the frames that are not nearly a picture of an evaluation set."""
    prints = Prints()
    for split, folders in (("train", [frames]), ("evaluation", against)):
        for folder in folders:
            for row in Survey(ManifestSource(folder)).run():
                prints.add(split, row)
    near = {prints.names["train"][i] for i, _ in prints.pairs("train", "evaluation")} if against else set()
    names = {entry["image"] for entry in ManifestSource(frames).entries}
    return sorted(names - {name for name in names if any(name in place for _, place in near)})


def labelled(frames: Path, files: Sequence[str]) -> Iterator[Record]:
    """Yield a record for each thing in each frame, and two for a thing and a place to put it."""
    boxes = read_values(BOXES, example="NAME: {the cup: [10, 10, 50, 60]}", extra="data")
    known = {name: things_of(read(frames / f"{name}.jpg"), things) for name, things in boxes.items()}
    rng = random.Random(11)
    for file in files:
        name = file.partition(".")[0]
        found = carried(frames, name, known)
        for thing, mask in found.items():
            names = [thing, *([ALONE[thing]] if thing in ALONE else [])]
            yield record(frames / file, thing, mask, [text.format(one) for one in names for text in WORDINGS])
        goals = [thing for thing in found if thing.split()[-1] in GOALS]
        rest = [thing for thing in found if thing not in goals]
        for number in range(2 if goals and rest else 0):
            thing, goal = rng.choice(rest), rng.choice(goals)
            texts = [text.format(thing, goal) for text in TWO]
            yield record(frames / file, f"two {number}", found[thing] | found[goal], texts)


def not_there(frames: Path, files: Sequence[str]) -> Iterator[Record]:
    """Yield three questions about each frame that have no answer."""
    rng = random.Random(5)
    for file in files:
        for number, text in enumerate(rng.sample(ABSENT, 3)):
            nothing = np.zeros(read(frames / file).shape[:2], bool)
            yield record(frames / file, f"no {number}", nothing, [text], present=False)


def record(path: Path, name: str, mask: Mask, texts: Sequence[str], present: bool = True) -> Record:
    """A label as a person's."""
    return Record.of(
        uuid=f"{path.stem}-{name.replace(' ', '-')}", image=path.read_bytes(), mask=mask, instructions=texts,
        source="human", license="Apache-2.0", present=present,
    )  # fmt: skip


def read(path: Path) -> Image:
    """A picture as OpenCV has it."""
    return np.asarray(cv2.imread(str(path)), np.uint8)


def things_of(image: Image, things: dict[str, list[int]]) -> dict[str, Mask]:
    """Cut the things of a key frame out, those in front first."""
    taken = np.zeros(image.shape[:2], bool)
    found = {}
    for name, numbers in things.items():
        found[name] = outlined(image, numbers) & ~taken if len(numbers) > 4 else cut(image, name, numbers, taken)
        taken |= grown(found[name], 3)
    return found


def outlined(image: Image, numbers: list[int]) -> Mask:
    """What a polygon encloses, less the arm."""
    filled = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(filled, [np.array(numbers, np.int32).reshape(-1, 2)], 1)
    return np.asarray((filled > 0) & (image.max(2) >= 30))


def cut(image: Image, name: str, box: Sequence[int], taken: Mask) -> Mask:
    """Cut one thing out of its box by GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004)."""
    x0, y0, x1, y1 = box
    hints = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    hints[y0:y1, x0:x1] = cv2.GC_PR_FGD
    hints[taken] = cv2.GC_BGD
    arm = np.zeros_like(taken) if name in METAL else image.max(2) < BLACK
    hints[arm] = cv2.GC_BGD
    if name not in GREY:
        pale = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)[..., 1] < PALE
        hints[pale & (hints == cv2.GC_PR_FGD)] = cv2.GC_PR_BGD
    around = np.s_[max(0, y0 - 30) : y1 + 30, max(0, x0 - 30) : x1 + 30]
    part: Any = hints[around].copy()
    model = np.zeros((2, 1, 65))
    colors = cv2.blur(image, (3, 3))[around].copy()
    cv2.grabCut(colors, part, (0, 0, 1, 1), model[0], model[1], 6, cv2.GC_INIT_WITH_MASK)
    thing: Any = np.zeros_like(hints)
    thing[around] = np.isin(part, (cv2.GC_FGD, cv2.GC_PR_FGD))
    thing = cv2.morphologyEx(thing, cv2.MORPH_OPEN, np.ones((3, 3)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(thing)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    kept = np.isin(labels, 1 + np.flatnonzero(sizes > 0.12 * sizes.max(initial=0))).astype(np.uint8)
    outlines, _ = cv2.findContours(kept, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole: Any = cv2.drawContours(np.zeros_like(kept), outlines, -1, 1, -1)
    return np.asarray((whole > 0) & ~taken & ~arm)


def carried(frames: Path, name: str, known: dict[str, dict[str, Mask]]) -> dict[str, Mask]:
    """Masks in a frame: each thing's from the key frame of the video whose look at its place is most alike."""
    video, image = name.rpartition("_")[0], read(frames / f"{name}.jpg")
    best: dict[str, tuple[float, Mask]] = {}
    for key, things in known.items():
        if key.rpartition("_")[0] != video:
            continue
        views = [cv2.blur(one, (7, 7)).astype(np.int16) for one in (image, read(frames / f"{key}.jpg"))]
        same = (np.abs(views[0] - views[1]).max(2) < SAME).astype(np.uint8)
        same = cv2.morphologyEx(same, cv2.MORPH_OPEN, np.ones((5, 5))) > 0
        for thing, mask in things.items():
            if mask.sum() < 150:
                continue
            inside, about = same[mask].mean(), same[grown(mask, 13) & ~mask].mean()
            alike = inside + about
            if inside > (0.85 if thing in MOVED else 0.68) and about > 0.4 and alike > best.get(thing, (0.0,))[0]:
                best[thing] = float(alike), mask & same
    closed = {
        thing: cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))) > 0
        for thing, (_, mask) in best.items()
    }
    return {thing: mask for thing, mask in closed.items() if mask.sum() >= 120}


def grown(mask: Mask, pixels: int) -> Mask:
    """A mask and what is around it."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((pixels, pixels))) > 0)


if __name__ == "__main__":
    main()
