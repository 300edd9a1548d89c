"""Labels a data set with the embedded model and compares with the masks that the data set has.

For robot frames whose masks a generous teacher drew (target, goal and gripper, all grown), overlap alone says little:
beside it stand how much of what was labelled lies in the teacher's mask, and how much of that was labelled.

    python -m benchmarks.label_teacher DATA/robot_frames
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from benchmarks.fusion import spearman

from ivm.data.record import Record
from ivm.data.shards import Shard
from ivm.data.sources.base import Source
from ivm.data.sources.finding import open_source
from ivm.labeling.building import label_stages
from ivm.labeling.expert import ExpertSpec
from ivm.labeling.run import HereEngine, LabelRun
from ivm.labeling.task import RecordTasks
from ivm.labeling.writer import REJECTED
from ivm.masking.overlap import mask_iou


def label(source: Source, model: str, folder: Path) -> dict[str, tuple[Record, bool]]:
    """Label in this process; records by uuid, and whether they can be used."""
    stages = label_stages(experts=[ExpertSpec(name=Path(model).name, model=model)])
    run = LabelRun(source=RecordTasks(source), folder=folder, name="compared", stages=stages, records=32)
    report = run.run(HereEngine())
    print("\n".join(report.lines()))
    found: dict[str, tuple[Record, bool]] = {}
    for place, used in ((folder, True), (folder / REJECTED, False)):
        for path in sorted(place.glob("*.tar")):
            with Shard(path) as shard:
                found |= {shard[index].uuid: (shard[index], used) for index in range(len(shard))}
    return found


def main() -> None:
    """Label, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="ivm-nano")
    chosen = parser.parse_args()
    source = open_source(chosen.data)
    with tempfile.TemporaryDirectory() as folder:
        labelled = label(source, chosen.model, Path(folder))
    rows: dict[str, list[tuple[float, float, float, bool]]] = defaultdict(list)
    weights, overlaps = [], []
    for number in range(len(source)):
        for item in source.read(number, number + 1):
            if not isinstance(item, Record) or item.uuid not in labelled:
                continue
            record, used = labelled[item.uuid]
            mine, teachers = record.mask > 127, item.mask > 127
            both, kept, wanted = (int(np.count_nonzero(one)) for one in (mine & teachers, mine, teachers))
            inside, covered = both / max(kept, 1), both / max(wanted, 1)
            overlap = mask_iou(mine, teachers, empty=0.0)
            rows[item.instructions[0]].append((overlap, inside, covered, used))
            weights.append(record.weight)
            overlaps.append(overlap)
    rows["all"] = [row for group in rows.values() for row in group]
    for name, group in rows.items():
        print(
            f"{name}: {len(group)} frames, {sum(row[3] for row in group)} used; of these IoU with the teacher "
            + ", ".join(
                f"{what} {np.mean([row[place] for row in group if row[3]] or [0]):.3f}"
                for place, what in enumerate(("", "inside its mask", "covered of it"))
            ).lstrip()
        )
    print(f"Spearman of weight and IoU over all {len(weights)}: {spearman(weights, overlaps):.3f}")


if __name__ == "__main__":
    main()
