"""The whole engine through all that goes wrong; then every record must be there once.

Rendered scenes, ivm-nano, a server that refuses, chats, breaks off, hangs and answers nonsense, kills of workers and of
the run itself.

    python -m benchmarks.label_kills --scenes 2000

It works in a checkout, for the server is one of the tests' (tests/fake_lmm.py).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ivm.data.record import Record
from ivm.data.shards import Shard
from ivm.data.sources.scenes import SceneSource
from ivm.labeling.writer import REJECTED

SEED = 900_400
RECIPE = """
source: {{scenes: {{scenes: {scenes}, questions: 1, seed: {seed}, width: 160, height: 120}}}}
output: {output}
records: 32
planner: lmm
verifier: lmm
lmm: {{base_url: "{base_url}", model: fake, first_wait_s: 0.05, timeout_s: 10, cache: answers.sqlite}}
ray: {{object_store_mb: 200}}
"""


def shards_done(folder: Path) -> int:
    """Lines of the journal below its first."""
    path = folder / ".labels.journal.jsonl"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.is_file() else 0


def ray_workers(driver: int) -> list[int]:
    """Ray's workers below a process."""
    found, above = [], {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            above[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if b"ray::" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except (OSError, ValueError):
            continue

    def below(pid: int) -> bool:
        while pid in above and pid != driver:
            pid = above[pid]
        return pid == driver

    return [pid for pid in found if below(pid)]


def records_in(folder: Path) -> tuple[Counter[str], int]:
    """How often each record is there, and how many are used."""
    counts: Counter[str] = Counter()
    used = 0
    for place in (folder, folder / REJECTED):
        for path in place.glob("*.tar"):
            with Shard(path) as shard:
                counts.update(shard[index].uuid for index in range(len(shard)))
                used += len(shard) if place == folder else 0
    return counts, used


def main() -> None:
    """Run, kill, run again, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=4, help="of a worker; the run itself is killed once less")
    chosen = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from fake_lmm import process  # type: ignore[import-not-found]

    wanted = {
        item.uuid
        for number in range(chosen.scenes)
        for item in SceneSource(scenes=chosen.scenes, questions=1, seed=SEED, width=160, height=120).read(
            number, number + 1
        )
        if isinstance(item, Record)
    }
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, process("labeling_lmm:often") as base_url:
        place = Path(name)
        text = RECIPE.format(scenes=chosen.scenes, seed=SEED, output=place / "out", base_url=base_url)
        (place / "recipe.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "ivm", "label", str(place / "recipe.yaml")]
        parts = -(-chosen.scenes // 32)
        for go in range(chosen.kills):
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until = parts * (go + 1) // (chosen.kills + 1)
            half = (shards_done(place / "out") + until) // 2
            killed = 0
            while child.poll() is None and shards_done(place / "out") < until:
                if not killed and shards_done(place / "out") >= half:
                    for pid in ray_workers(child.pid)[:1]:
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
                time.sleep(0.1)
            if go < chosen.kills - 1:
                child.send_signal(signal.SIGKILL)
            child.wait()
            print(f"go {go + 1}: {killed} worker killed, {shards_done(place / 'out')} of {parts} shards", flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr, sep="")
        counts, used = records_in(place / "out")
        twice = [uuid for uuid, count in counts.items() if count > 1]
        print(
            f"{len(wanted):,} tasks, {len(counts):,} records ({used:,} used), {len(twice)} of them twice, "
            f"{len(wanted - set(counts))} missing, in {time.monotonic() - began:.0f} s"
        )
        if done.returncode or twice or set(counts) != wanted:
            sys.exit(1)


if __name__ == "__main__":
    main()
