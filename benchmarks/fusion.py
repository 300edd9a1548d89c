"""Joining four faulty experts on rendered tables with exact truth, against the best of them and their plain average.

Experts, and how they fail, are in `benchmarks/_faulty.py`. The calibration is learnt on scenes of other seeds than the
ones measured. IoU is of masks at the picture's size; the expected quality is the weight that a record would have.

    python -m benchmarks.fusion --scenes 300 --picture docs/images/fusion.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from benchmarks._faulty import experts
from numpy.typing import NDArray
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from ivm.core.model import RGBImage
from ivm.data.coding import encode_picture
from ivm.data.pages import overlay
from ivm.data.record import Record
from ivm.data.sources.scenes import SceneSource
from ivm.labeling.calibration import Calibration
from ivm.labeling.expert import Opinion
from ivm.labeling.fitting import Calibrator
from ivm.labeling.fusion import fuse
from ivm.masking.heatmap import sigmoid, upsample_logits
from ivm.masking.overlap import mask_iou

SIZE = (160, 120)
TEST_SEED, CALIBRATION_SEED = 900_100, 900_101


class Thing(NamedTuple):
    """A question with its truth, and what each expert says."""

    uuid: str
    image: RGBImage
    instruction: str
    truth: NDArray[np.bool_]
    opinions: dict[str, Opinion]


def things(seed: int, scenes: int) -> list[Thing]:
    """Render scenes, and let the experts answer."""
    source = SceneSource(scenes=scenes, questions=3, seed=seed, width=SIZE[0], height=SIZE[1])
    found = []
    for number in range(scenes):
        records = [item for item in source.read(number, number + 1) if isinstance(item, Record)]
        masks = [record.mask > 127 for record in records]
        for index, (record, truth) in enumerate(zip(records, masks, strict=True)):
            if not record.present:
                continue
            others = [mask for mask in masks[:index] + masks[index + 1 :] if mask.any() and not (mask & truth).any()]
            said = {expert.name: expert.opinion(record.uuid, truth, others) for expert in experts()}
            found.append(Thing(record.uuid, record.image, record.instructions[0], truth, said))
    return found


def learn(known: list[Thing]) -> Calibration:
    """Learn a calibration."""
    calibrator = Calibrator([expert.name for expert in experts()])
    for thing in known:
        calibrator.add(thing.opinions, thing.truth)
    return calibrator.fit()


def answers(thing: Thing, calibration: Calibration) -> tuple[dict[str, NDArray[np.bool_]], float]:
    """Masks (H, W) of each expert, of their average and of the fusion; and the expected quality of the last."""
    height, width = thing.truth.shape
    logits = {
        name: upsample_logits(one.logits.astype(np.float32), height, width) for name, one in thing.opinions.items()
    }
    masks: dict[str, NDArray[np.bool_]] = {name: one > 0 for name, one in logits.items()}
    masks["average"] = np.mean([sigmoid(one) for one in logits.values()], axis=0) > 0.5
    fused = fuse(thing.opinions, calibration, height, width)
    masks["fusion"] = upsample_logits(fused.logits, height, width) > 0
    return masks, fused.quality


def spearman(first: list[float], second: list[float]) -> float:
    """Rank correlation."""
    return float(spearmanr(first, second).statistic)


def measure(tested: list[Thing], calibration: Calibration) -> tuple[dict[str, float], float]:
    """Mean IoU by who draws, and how well the expected quality ranks the fusion's true one."""
    overlaps: dict[str, list[float]] = {}
    qualities = []
    for thing in tested:
        masks, quality = answers(thing, calibration)
        qualities.append(quality)
        for name, mask in masks.items():
            overlaps.setdefault(name, []).append(mask_iou(mask, thing.truth))
    return {name: float(np.mean(values)) for name, values in overlaps.items()}, spearman(overlaps["fusion"], qualities)


def sheet(shown: list[Thing], calibration: Calibration) -> RGBImage:
    """A row a question: picture, each expert, average, fusion, truth."""
    rows = []
    for thing in shown:
        masks, quality = answers(thing, calibration)
        tiles = [_titled(thing.image, thing.instruction)]
        tiles += [
            _titled(overlay(thing.image, mask.astype(np.uint8) * 255), f"{name} {mask_iou(mask, thing.truth):.2f}")
            for name, mask in masks.items()
        ]
        right = mask_iou(masks["fusion"], thing.truth)
        tiles[-1] = _titled(tiles[-1][16:], f"fusion {right:.2f}, weight {quality:.2f}")
        tiles.append(_titled(overlay(thing.image, thing.truth.astype(np.uint8) * 255), "truth"))
        rows.append(np.concatenate(tiles, axis=1))
    return np.concatenate(rows, axis=0)


def _titled(image: RGBImage, text: str) -> RGBImage:
    bar = np.full((16, image.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, text[:30], (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.33, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([bar, image], axis=0)


def main() -> None:
    """Learn, measure, print and, if wished, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=150, help="to measure on")
    parser.add_argument("--seed", type=int, default=TEST_SEED, help="of the scenes to measure on")
    parser.add_argument("--known", type=int, default=40, help="scenes to calibrate on")
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    calibration = learn(things(CALIBRATION_SEED, chosen.known))
    tested = things(chosen.seed, chosen.scenes)
    overlaps, ranked = measure(tested, calibration)
    print(f"{len(tested)} questions on {chosen.scenes} scenes, calibrated on {calibration.records} others; mean IoU:")
    for name, value in overlaps.items():
        weight = f", weight {calibration.experts[name].weight:.2f}" if calibration.knows(name) else ""
        print(f"  {name:10} {value:.3f}{weight}")
    best = max(overlaps[expert.name] for expert in experts())
    print(f"fusion against the best expert {overlaps['fusion'] - best:+.3f}, against the average ", end="")
    print(f"{overlaps['fusion'] - overlaps['average']:+.3f}; Spearman of weight and IoU {ranked:.3f}")
    plain, plainly = measure(tested, Calibration())
    print(f"without a calibration: fusion {plain['fusion']:.3f}, Spearman {plainly:.3f}", flush=True)
    if chosen.picture:
        chosen.picture.write_bytes(encode_picture(sheet(tested[7:12], calibration)))


if __name__ == "__main__":
    main()
