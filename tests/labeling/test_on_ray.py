"""`ivm label` on Ray with a real server that misbehaves, through kills of a worker, of the run and of a node.

How far a run gets is decided by a gate that the server looks at, never by time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_lmm import MODEL, process
from ivm.core.errors import OptionError
from ivm.data.shards import Shard
from ivm.labeling.on_ray import RayEngine, RaySettings
from ivm.labeling.run import Work
from ivm.labeling.writer import read_maker
from labeling_tasks import write_lines

pytestmark = pytest.mark.timeout(900)
pytest.importorskip("ray", reason="the extra [label] is not installed")

TESTS = Path(__file__).parents[1]
TASKS = 30
KEY = "sk-nobody-may-see-this"
PATIENCE = 800
"""Seconds; a busy machine is no failure."""
SLOW = pytest.mark.skipif(
    not os.environ.get("IVM_RAY"), reason="starts Ray clusters and kills them, for minutes: set IVM_RAY=1 to try it"
)

RECIPE = """
source: {{path: in/tasks.jsonl}}
output: out
records: 3
planner: lmm
experts:
  - {{name: colors, model: {model}, workers: 2, cpus: 1}}
verifier: lmm
lmm:
  {{base_url: "{base_url}", model: {lmm}, api_key_env: TEST_KEY, first_wait_s: 0.01, timeout_s: {timeout}, retries: 9}}
ray: {{object_store_mb: 100}}
"""


@pytest.fixture
def place(tmp_path):
    write_lines(tmp_path / "in", TASKS, ({"image": "none.png", "instruction": "the red square", "uuid": "missing"},))
    return tmp_path


@pytest.mark.parametrize(
    ("address", "told"),
    [(None, r"does not start here \(Timed out after 30 seconds\)"), ("auto", "cannot be reached at auto: Timed out")],
)
def test_a_ray_that_does_not_start_in_time_is_one_sentence(monkeypatch, address, told):
    import ray

    def late(**options):
        raise Exception("Timed out\nafter 30 seconds")  # as Ray's own code has it

    monkeypatch.setattr(ray, "init", late)
    engine = RayEngine(RaySettings(address=address), None, cpus=1)
    with pytest.raises(OptionError, match=told):
        list(engine.run(Work(read=None, stages=[], todo=[])))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "TEST_KEY": KEY, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", **more}


def command(place: Path) -> list[str]:
    return [sys.executable, "-m", "ivm", "label", str(place / "recipe.yaml")]


def write_recipe(place: Path, toy_nano: Path, base_url: str, timeout: int = 60) -> None:
    text = RECIPE.format(model=toy_nano, base_url=base_url, lmm=MODEL, timeout=timeout)
    (place / "recipe.yaml").write_text(text)


def outcome(folder: Path) -> dict[str, str]:
    """Every record by its uuid, and whether it is rejected; each is there once."""
    seen: list[tuple[str, str]] = []
    for path in [*folder.glob("*.tar"), *folder.glob("rejected/*.tar")]:
        with Shard(path) as shard:
            seen += [(shard[index].uuid, read_maker(shard[index]).get("rejected", "")) for index in range(len(shard))]
    counts = Counter(uuid for uuid, _ in seen)
    assert set(counts.values()) == {1}
    return dict(seen)


def journal(place: Path) -> int:
    """Parts that are done."""
    path = place / "out" / ".labels.journal.jsonl"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.is_file() else 0


def until(what: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    """Wait for something that surely comes unless the child ends."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert child.poll() is None, "the run ended before"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def workers(driver: int) -> list[int]:
    """Ray's workers with a stage in them that a driver has started, by what the kernel says of processes."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(path.name)] = (path / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            continue
    found = []
    for pid, name in names.items():
        above = pid
        while above in parents and above != driver:
            above = parents[above]
        if above == driver and name.startswith("ray::") and "Worker" in name:
            found.append(pid)
    return found


def expected() -> dict[str, str]:
    return {f"tasks-{number}": "" for number in range(TASKS)}


@SLOW
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are found in /proc")
def test_kills_of_a_worker_and_of_the_run_lose_nothing(place, toy_nano):
    gate = place / "gate"
    gate.write_text("9")
    log = place / "asked.jsonl"
    with process("labeling_lmm:answer", environment={"GATE": str(gate)}, log=log) as base_url:
        write_recipe(place, toy_nano, base_url)
        with subprocess.Popen(
            command(place), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as child:
            until(lambda: journal(place) >= 1, child)
            until(lambda: bool(workers(child.pid)), child)
            for pid in workers(child.pid)[:2]:
                os.kill(pid, signal.SIGKILL)
            gate.write_text("18")
            until(lambda: journal(place) >= 4, child)
            child.send_signal(signal.SIGKILL)
        before = journal(place)
        assert 4 <= before < 11
        gate.write_text("1000000")
        done = subprocess.run(command(place), env=environment(), capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 50, done.stderr  # one picture is missing
        assert "none.png" in done.stderr
        assert outcome(place / "out") == expected()
        assert journal(place) == 11
    # What was asked before the kill was in the cache after it: nothing was paid twice but what was on its way.
    asked = Counter(json.loads(line)["text"] + json.loads(line)["system"] for line in log.read_text().splitlines())
    assert max(asked.values()) <= 3
    told = [
        done.stdout,
        done.stderr,
        *(str(path.read_bytes()) for path in (place / "out").rglob("*") if path.is_file()),
    ]
    assert not any(KEY in text for text in told)


@SLOW
def test_a_node_of_two_is_lost_in_the_middle_of_a_server_that_misbehaves(place, toy_nano):
    gate = place / "gate"
    gate.write_text("15")
    with process("labeling_lmm:mishaps", environment={"GATE": str(gate)}) as base_url:
        write_recipe(place, toy_nano, base_url, timeout=8)
        done = subprocess.run(
            [sys.executable, str(TESTS / "two_nodes.py"), str(place / "recipe.yaml"), str(gate)],
            env=environment(), capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["nodes"] == 2
    assert told["lost_after"] == [2]
    assert told["tasks"] == TASKS + 1
    assert outcome(place / "out") == expected()


def test_a_model_that_is_not_there_gets_its_sentence(place, toy_nano):
    with process("labeling_lmm:answer") as base_url:
        write_recipe(place, place / "no" / "model", base_url)
        done = subprocess.run(command(place), env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 40, done.stderr
    assert "No model, file or folder is called" in done.stderr
    assert "Traceback" not in done.stderr
