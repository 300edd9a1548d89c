"""A labelled folder to review, and the real review server in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivm.data.coding import encode_picture
from ivm.data.record import Provenance, Record
from ivm.data.shards import write_shard
from ivm.labeling.review.app import serve_review
from ivm.labeling.review.queue import Queue
from ivm.labeling.writer import REJECTED
from labeling_tasks import square


def review_record(name: str, weight: float, rejected: str = "", size: int = 48) -> Record:
    """A red square on grey, 16 pixels a side, and its mask."""
    image = square("red", size=size)
    about = {"ivm": "0", "things": [{"role": "target", "phrase": f"the {name}"}]}
    return Record.of(
        uuid=name,
        image=encode_picture(image, "png"),
        mask=image[..., 0] > 200,
        instructions=[f"take the {name}"],
        source="machine",
        license="CC0-1.0",
        weight=weight,
        provenance=Provenance(maker=json.dumps(about | ({"rejected": rejected} if rejected else {}))),
    )


def review_folder(out: Path, size: int = 48) -> Path:
    """Four records, one of them rejected by the run; the least sure first: odd, doubtful, middle, sure."""
    (out / REJECTED).mkdir(parents=True)
    write_shard(
        out / "run-000000.tar", [review_record("sure", 0.9, size=size), review_record("doubtful", 0.5, size=size)]
    )
    write_shard(out / "run-000001.tar", [review_record("middle", 0.7, size=size)])
    write_shard(out / REJECTED / "run-000001.tar", [review_record("odd", 0.2, "experts disagree", size)])
    return out


@contextmanager
def reviewing(folder: Path, by: str = "Ann") -> Iterator[str]:
    """Serve the page; gives its address."""
    address, stop = [], []
    ready = threading.Event()

    def opened(url, end):
        address.append(url)
        stop.append(end)
        ready.set()

    thread = threading.Thread(target=serve_review, args=(Queue(folder), by, 0), kwargs={"opened": opened})
    thread.start()
    assert ready.wait(60)
    try:
        yield address[0]
    finally:
        stop[0]()
        thread.join(60)
    assert not thread.is_alive()
