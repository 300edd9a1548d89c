"""SIGKILL at random moments: what is left reads, and a run that goes on has every record exactly once."""

import json
import random
from collections import Counter

import pytest

import killed
from data_sets import make_shards
from ivm.data.shards import Shard, shards_of

SOUND = sorted(f"r{number}" for number in range(60) if number % 10 != 9)
KILLS = 20


def kill_often(target, arguments, check, kills=KILLS, longest=0.1):
    """Run and kill; what a run has done is checked each time, and at least one must have been killed in its middle."""
    rng = random.Random(7)
    ended = []
    for _ in range(kills):
        ended.append(killed.run_and_kill(target, arguments, rng.uniform(0.0, longest)))
        check()
    assert not all(ended)


def uuids_in(folder):
    names = []
    for path in folder.glob("*.tar"):
        with Shard(path) as shard:
            names += [shard[i].uuid for i in range(len(shard))]
    return names


def test_a_killed_writer_of_shards(tmp_path):
    def check():
        counts = Counter(uuids_in(tmp_path))  # every shard that is there reads
        assert set(counts) <= set(SOUND)
        assert not counts or max(counts.values()) == 1

    kill_often(killed.write, (tmp_path, "shards", 1), check)
    done = killed.write(tmp_path, "shards", 1)
    assert sorted(uuids_in(tmp_path)) == SOUND
    assert done.records == len(SOUND)
    assert [fault.uuid for fault in done.faults] == [f"r{number}" for number in range(9, 60, 10)]
    assert sorted(path.name for path in shards_of(tmp_path)) == sorted(done.files)
    assert not list(tmp_path.glob(".*.part"))


def test_a_killed_writer_makes_the_same_bytes(tmp_path):
    for _ in range(3):
        killed.run_and_kill(killed.write, (tmp_path / "a", "shards", 1), 0.05)
    killed.write(tmp_path / "a", "shards", 1)
    killed.write(tmp_path / "b", "shards", 1)
    one, other = ({path.name: path.read_bytes() for path in shards_of(tmp_path / name)} for name in "ab")
    assert one == other


def test_a_killed_writer_with_processes(tmp_path):
    for seconds in (0.3, 0.8):
        killed.run_and_kill(killed.write, (tmp_path, "shards", 2), seconds)
    killed.write(tmp_path, "shards", 1)
    assert sorted(uuids_in(tmp_path)) == SOUND


def test_a_killed_writer_of_the_originals_layout(tmp_path):
    kill_often(killed.write, (tmp_path, "original", 1), lambda: None, kills=5)
    killed.write(tmp_path, "original", 1)
    lines = [json.loads(line) for line in (tmp_path / "slow.jsonl").read_text().splitlines()]
    assert sorted(line["uuid"] for line in lines) == SOUND
    assert all((tmp_path / f"mask_{line['uuid']}.jpg").is_file() for line in lines)


def test_a_killed_reader(tmp_path):
    uuids = make_shards(tmp_path / "shards", [9, 4, 11, 1, 7, 8])
    log = tmp_path / "log.jsonl"
    kill_often(killed.read, (tmp_path / "shards", log), lambda: killed.whole_lines(log))
    killed.read(tmp_path / "shards", log)
    assert sorted(line["uuid"] for line in killed.whole_lines(log)) == sorted(uuids)


@pytest.mark.parametrize("counts", [[5, 1, 8, 3, 6, 2], [7]], ids=["many shards", "one shard"])
def test_ranks_share_an_epoch(tmp_path, counts):
    uuids = make_shards(tmp_path / "shards", counts)
    run_ranks(tmp_path, world=3)
    assert sorted(all_read(tmp_path, 3)) == sorted(uuids)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_ranks_with_worker_processes_share_an_epoch(tmp_path):
    pytest.importorskip("torch")
    uuids = make_shards(tmp_path / "shards", [5, 1, 8])
    for rank in range(2):
        killed.read_rank(tmp_path / "shards", rank, 2, 2, tmp_path / f"{rank}.json")
    assert sorted(all_read(tmp_path, 2)) == sorted(uuids)


def run_ranks(folder, world):
    processes = [
        killed.FORKSERVER.Process(
            target=killed.read_rank, args=(folder / "shards", rank, world, 0, folder / f"{rank}.json")
        )
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0


def all_read(folder, world):
    return [uuid for rank in range(world) for uuid in json.loads((folder / f"{rank}.json").read_text())]
