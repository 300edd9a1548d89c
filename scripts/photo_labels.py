"""Make records of those photos of COCO whose licence lets weights be trained on them and given away.

    python scripts/photo_labels.py PHOTOS -o runs/photos

PHOTOS is a folder with index.json, images/ and instances/, see `ivm.data.sources.folders.ObjectMapSource`. `people/`
has what people marked in the part for training, `absent/` asks for classes that a photo does not show.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ivm.data.record import Record
from ivm.data.shards import write_shard
from ivm.data.sources.coco import PHOTO_LICENSES
from ivm.data.sources.folders import ObjectMapSource

FREE = frozenset(PHOTO_LICENSES[number] for number in (4, 5, 7))
"""Those that ask for no more than a name and the same terms."""
LEAST = 0.002
"""Share of a photo below which nobody asks for a thing."""
ABSENT = 40
"""Classes that each photo is asked for in vain."""


def main() -> None:
    """Read the photos, write `people/` and `absent/`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with index.json")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args()
    source, rng = ObjectMapSource(chosen.photos), random.Random(5)
    records = [*free(source)]
    absent = [*not_there(source, records, rng)]
    people = [record for record in records if (record.pixels()[1] > 0).mean() >= LEAST]
    rng.shuffle(people)
    for name, records in (("people", people), ("absent", absent)):
        (chosen.output / name).mkdir(parents=True, exist_ok=True)
        write_shard(chosen.output / name / f"{name}-000000.tar", records)
    print(f"{len(absent)} photos, {len(people)} labels")


def free(source: ObjectMapSource) -> Iterator[Record]:
    """Yield the records of free photos for training."""
    for entry in source.entries:
        if entry.split == "train" and entry.license in FREE:
            yield source.record(entry)


def not_there(source: ObjectMapSource, records: Iterable[Record], rng: random.Random) -> Iterator[Record]:
    """Yield a record for each photo of `records` that asks for classes that it does not show."""
    names = {entry.name for entry in source.entries}
    seen: dict[str, tuple[Record, set[str]]] = {}
    for record in records:
        assert record.provenance is not None
        seen.setdefault(record.provenance.item, (record, set()))
    for entry in source.entries:
        if entry.file in seen:
            seen[entry.file][1].add(entry.name)
    for file, (record, shown) in sorted(seen.items()):
        yield Record.of(
            uuid=f"{Path(file).stem}-absent",
            image=record.image,
            mask=np.zeros(record.pixels()[1].shape, np.bool_),
            instructions=[f"the {name}" for name in rng.sample(sorted(names - shown), ABSENT)],
            source="human",
            license=record.license,
            present=False,
            provenance=record.provenance,
        )


if __name__ == "__main__":
    main()
