import dataclasses
import io
import itertools
import json
import tarfile

import numpy as np
import pytest

from data_sets import make_record, make_shards
from ivm.core.errors import RecordError, ShardError
from ivm.data.coding import MaskCode
from ivm.data.faults import Fault
from ivm.data.record import Record
from ivm.data.shards import Shard, shards_of, write_shard
from ivm.data.sources.shards import ShardSource


@pytest.fixture
def records():
    """One with run lengths, one with a grey PNG, one with the original's own file."""
    soft = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32) // 4
    grey = make_record(1, mask=soft)
    original = dataclasses.replace(make_record(2), mask_code=MaskCode("original", grey.mask_code.data))
    return [make_record(0), grey, original]


def test_a_shard_gives_back_what_it_was_given(tmp_path, records):
    write_shard(tmp_path / "a.tar", records)
    with Shard(tmp_path / "a.tar") as shard:
        assert [shard[i] for i in range(len(shard))] == records


def test_equal_records_are_equal_bytes(tmp_path, records):
    one, other = (write_shard(tmp_path / name, records) for name in ("a.tar", "b.tar"))
    assert one == other
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert one.size == (tmp_path / "a.tar").stat().st_size


def test_pythons_tarfile_reads_it(tmp_path, records):
    write_shard(tmp_path / "a.tar", records)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == [
            "000000000.jpg", "000000000.json",
            "000000001.jpg", "000000001.json", "000000001.mask.png",
            "000000002.jpg", "000000002.json", "000000002.mask.jpg",
        ]  # fmt: skip


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_other_writers(tmp_path, form):
    record = make_record()
    key = f"{'deep/' * 30}sample"
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as tar:
        for ending, content in (("jpg", record.picture), ("json", json.dumps(record.to_json()).encode())):
            info = tarfile.TarInfo(f"{key}.{ending}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with Shard(tmp_path / "a.tar") as shard:
        assert [shard[0]] == [record]
        assert len(shard) == 1


def test_a_failing_writer_leaves_nothing(tmp_path):
    def broken():
        yield make_record()
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_shard(tmp_path / "a.tar", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_shard_has_its_name_only_when_it_is_whole(tmp_path):
    """What stood there before is there until the last record is written, and stays where the writing fails."""
    place = tmp_path / "a.tar"
    write_shard(place, [make_record(0)])
    before = place.read_bytes()

    def watched(fail):
        for number in range(3):
            yield make_record(number)
            assert place.read_bytes() == before
        if fail:
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_shard(place, watched(fail=True))
    assert place.read_bytes() == before
    write_shard(place, watched(fail=False))
    with Shard(place) as shard:
        assert len(shard) == 3
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("size", [0, 100, 512, 700, 3000])
def test_a_shard_that_is_cut_short(tmp_path, size):
    write_shard(tmp_path / "a.tar", [make_record()])
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:size])
    with pytest.raises(ShardError, match="cut short"):
        Shard(tmp_path / "a.tar")


def test_what_is_no_shard(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    with pytest.raises(ShardError, match="no tar file"):
        Shard(tmp_path / "a.tar")
    with pytest.raises(ShardError, match="cannot be read"):
        Shard(tmp_path / "b.tar")
    with pytest.raises(ShardError, match="holds no shard"):
        shards_of(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"jpg": b"x"}, "json"),
        ({"jpg": b"x", "json": b"{"}, "json"),
        ({"jpg": b"x", "json": b"[]"}, "json"),
        ({"json": None}, "missing-picture"),
        ({"jpg": b"x", "json": b'{"uuid": "a", "instruction": ["a"]}'}, "missing-mask"),
    ],
)
def test_a_broken_record_is_named_and_the_others_read(tmp_path, members, kind):
    good = make_record()
    told = json.dumps(good.to_json()).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for key, parts in (("bad", members), ("good", {"jpg": good.picture, "json": told})):
            for ending, content in parts.items():
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(content or told)
                tar.addfile(info, io.BytesIO(content or told))
    with Shard(tmp_path / "a.tar") as shard, pytest.raises(RecordError, match=r"a\.tar, bad"):
        shard[0]
    fault, record = ShardSource(tmp_path).read(0, 1)
    assert isinstance(fault, Fault)
    assert fault.kind == kind
    assert record == good


def test_a_shard_that_cannot_be_opened_is_one_fault(tmp_path):
    make_shards(tmp_path, [2, 2])
    (tmp_path / "toys-000000.tar").write_bytes(b"")
    items = list(ShardSource(tmp_path).read(0, 2))
    assert [type(item) for item in items] == [Fault, Record, Record]
    assert items[0].kind == "shard"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves files open
def test_webdataset_reads_it(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    uuids = make_shards(tmp_path, [3, 2])
    paths = [str(path) for path in shards_of(tmp_path)]
    samples = list(webdataset.WebDataset(paths, shardshuffle=False).decode("rgb8"))
    assert [sample["json"]["uuid"] for sample in samples] == uuids
    assert samples[0]["jpg"].shape == (24, 32, 3)


def test_datasets_reads_it(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    uuids = make_shards(tmp_path, [3, 7])
    paths = [str(path) for path in shards_of(tmp_path)]
    rows = datasets.load_dataset("webdataset", data_files=paths, split="train", streaming=True)
    rows = list(itertools.islice(rows, 20))
    assert [row["json"]["uuid"] for row in rows] == uuids
    assert rows[0]["jpg"].size == (32, 24)
    assert rows[0]["json"]["provenance"]["group"] == "g0"
