"""Small data sets for tests: records, shards of them, and a folder in the original's layout with planted faults."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ivm.data.record import Provenance, Record
from ivm.data.shards import write_shard

HEIGHT, WIDTH = 24, 32


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Broad random shapes, (height, width, 3) uint8, another picture for each number and no other's near duplicate."""
    coarse = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def square(top: int = 4, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A mask, (height, width) uint8, with an 8x8 square at (`top`, 6)."""
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + 8, 6:14] = 255
    return mask


def make_record(number: int = 0, **changes) -> Record:
    """A sound record called `r<number>`."""
    told = {
        "uuid": f"r{number}",
        "image": picture(number),
        "mask": square(number % 12),
        "instructions": ["the red cup", "pick up the red cup"],
        "source": "human" if number % 2 else "machine",
        "license": "CC-BY-4.0",
        "weight": 0.5,
        "provenance": Provenance(dataset="toys", item=str(number), group=f"g{number}"),
    }
    return Record.of(**told | changes)


def make_shards(folder: Path, counts: list[int], **changes) -> list[str]:
    """Write shards with so many records each; returns the uuids in order."""
    folder.mkdir(parents=True, exist_ok=True)
    first = 0
    for shard, count in enumerate(counts):
        records = (make_record(number, **changes) for number in range(first, first + count))
        write_shard(folder / f"toys-{shard:06d}.tar", records)
        first += count
    return [f"r{number}" for number in range(first)]


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an array as a picture, RGB or grey, of the kind that the path's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, code = cv2.imencode(path.suffix, np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    path.write_bytes(code.tobytes())


def dim(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask as the original's files hold it: only 170 of 255 where it is needed."""
    return (mask // 3 * 2).astype(np.uint8)


def make_original(folder: Path, *, faults: bool) -> dict[str, str]:
    """Write all three parts of the original's layout, with pictures elsewhere and boxes, and perhaps with faults.

    Returns:
        The kind of each planted fault by uuid.
    """
    human, robot, vqa = (folder / name for name in ("HumanLabelData", "RobotMachineData", "VQAMachineData"))
    lines = {human: [], robot: [], vqa: []}
    for number in range(3):
        save(human / f"img_h{number}.jpg", picture(number))
        save(human / f"mask_h{number}.jpg", dim(square(number)))
        lines[human].append({"uuid": f"h{number}", "instruction": ["the red cup", "take the cup"]})
    save(human / "img_grey.jpg", picture(3)[..., 0])
    save(human / "mask_grey.jpg", dim(square()))
    lines[human].append({"uuid": "grey", "instruction": ["the grey thing"]})
    save(robot / "frames" / "a.jpg", picture(4))
    save(robot / "mask_r0.jpg", dim(square()))
    lines[robot].append({"uuid": "r0", "image": "frames/a.jpg", "instruction": ["put the duck on the plate"]})
    save(folder / "pictures" / "coco" / "train2017" / "1.jpg", picture(5))
    save(folder / "pictures" / "vsr" / "2.jpg", picture(6))
    save(vqa / "mask_v0.jpg", dim(square()))
    lines[vqa].append({"uuid": "v0", "image": "coco/train2017/1.jpg", "instruction": ["what is in the bowl?"]})
    box = [0.25, 0.25, 0.75, 0.75]
    lines[vqa].append({"uuid": "v1", "image": "vsr/2.jpg", "instruction": ["the cat"], "boxes": [box]})
    planted: dict[str, str] = {}
    if faults:
        planted = _plant(human, robot, vqa, lines)
    for part, rows in lines.items():
        text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
        (part / "data.jsonl").write_text(text, encoding="utf-8")
    return planted


def _plant(human: Path, robot: Path, vqa: Path, lines: dict[Path, list]) -> dict[str, str]:
    def human_line(uuid: str, image: int, mask: NDArray[np.uint8], text: str = "the red cup") -> None:
        save(human / f"img_{uuid}.jpg", picture(image))
        save(human / f"mask_{uuid}.jpg", mask)
        lines[human].append({"uuid": uuid, "instruction": [text]})

    human_line("black", 10, np.zeros((HEIGHT, WIDTH), np.uint8))
    human_line("white", 11, np.full((HEIGHT, WIDTH), 90, np.uint8))
    human_line("other-size", 12, dim(square(height=30, width=40)))
    human_line("empty-text", 13, dim(square()), "  ")
    human_line("german", 14, dim(square()), "nimm die rote Tasse")
    human_line("cut", 15, dim(square()))
    (human / "img_cut.jpg").write_bytes((human / "img_cut.jpg").read_bytes()[:200])
    lines[human].append({"uuid": "no-mask", "instruction": ["the cup"]})
    save(human / "img_no-mask.jpg", picture(16))
    lines[robot].append({"uuid": "r0", "image": "frames/a.jpg", "instruction": ["put the duck on the plate"]})
    lines[robot].append("{not json")
    lines[vqa].append({"uuid": "gone", "image": "gqa/images/3.jpg", "instruction": ["the dog"]})
    lines[vqa].append({"uuid": "bad-box", "image": "vsr/2.jpg", "instruction": ["the dog"], "boxes": [[0, 0, 2, 1]]})
    return {
        "black": "empty-mask",
        "white": "constant-mask",
        "other-size": "size",
        "empty-text": "instruction",
        "german": "language",
        "cut": "unreadable-picture",
        "no-mask": "missing-mask",
        "r0": "duplicate-uuid",
        "": "json",
        "gone": "missing-picture",
        "bad-box": "box",
    }
