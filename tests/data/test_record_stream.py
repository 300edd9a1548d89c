import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from data_sets import make_record, make_shards, picture, square
from ivm.core.errors import OptionError, RecordError
from ivm.data.augment import Augment, relit
from ivm.data.coding import encode_picture
from ivm.data.mixture import Mixture
from ivm.data.shards import write_shard
from ivm.data.stream import RecordStream
from killed import name_of


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    make_shards(folder, [5, 1, 8, 3, 6])
    return folder


ALL = [f"r{number}" for number in range(23)]


def names(shards, **options):
    return RecordStream(shards, transform=name_of, **options)


def test_an_epoch_has_every_record_once(shards):
    assert list(names(shards, shuffle=False)) == ALL
    shuffled = list(names(shards))
    assert sorted(shuffled) == sorted(ALL)
    assert shuffled != ALL


def test_the_next_epoch_has_another_order(shards):
    stream = names(shards)
    first, second = list(stream), list(stream)
    assert first != second
    assert sorted(first) == sorted(second)
    assert list(islice(names(shards, endless=True), 46)) == first + second
    later = names(shards)
    later.set_epoch(1)
    assert list(later) == second


def test_the_order_follows_from_the_seed(shards):
    assert list(names(shards, seed=3)) == list(names(shards, seed=3)) != list(names(shards, seed=4))


def test_records_of_several_shards_are_mixed(shards):
    shard_of = dict(zip(ALL, np.repeat(range(5), [5, 1, 8, 3, 6]), strict=True))
    changes = [np.count_nonzero(np.diff([shard_of[name] for name in names(shards, mixed=mixed)])) for mixed in (1, 5)]
    assert changes[0] == 4
    assert changes[1] > 8


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 40])
def test_shares_of_an_epoch_are_all_of_it(shards, slots):
    parts = [list(names(shards, rank=rank, world=slots, mixed=2)) for rank in range(slots)]
    assert sorted(name for part in parts for name in part) == sorted(ALL)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_stream_goes_on_at_the_exact_record(shards, shuffle):
    def fresh():
        return names(shards, mixed=2, shuffle=shuffle, endless=True)

    whole = list(islice(fresh(), 50))
    for taken in range(50):
        stream = fresh()
        first = list(islice(stream, taken))
        other = fresh()
        other.load_state_dict(stream.state_dict())
        assert first + list(islice(other, 50 - taken)) == whole


@pytest.mark.parametrize("change", [{"seed": 1}, {"mixed": 3}, {"world": 2}, {"shuffle": False}])
def test_a_place_of_another_stream_is_refused(shards, change):
    place = names(shards).state_dict()
    with pytest.raises(OptionError, match="another stream"):
        names(shards, **change).load_state_dict(place)


@pytest.mark.parametrize("change", [{"seed": -1}, {"mixed": 0}, {"rank": 1}])
def test_impossible_streams(shards, change):
    with pytest.raises(OptionError):
        names(shards, **change)
    with pytest.raises(OptionError, match="at least one shard"):
        RecordStream([])


def test_a_broken_record_is_raised_or_left_out(tmp_path):
    bad = make_record(1, image=encode_picture(picture(1, 10, 10)))
    write_shard(tmp_path / "a.tar", [make_record(0), bad, make_record(2)])
    with pytest.raises(RecordError, match="label it at the picture's size"):
        list(RecordStream(tmp_path, transform=Augment(size=(8, 8))))
    told = []
    stream = RecordStream(tmp_path, transform=Augment(size=(8, 8)), on_broken=told.append)
    assert sorted(sample.uuid for sample in stream) == ["r0", "r2"]
    assert len(told) == 1


def test_what_a_transform_draws_does_not_depend_on_who_reads(shards):
    def drawn(record, rng):
        return record.uuid, int(rng.integers(1 << 30))

    alone = dict(RecordStream(shards, transform=drawn))
    for rank in range(2):
        for uuid, number in RecordStream(shards, transform=drawn, rank=rank, world=2):
            assert alone[uuid] == number
    assert len(set(alone.values())) == len(ALL)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    make_shards(folder / "a", [30, 30])
    write_shard(folder / "b.tar", (make_record(number, uuid=f"b{number}") for number in range(20)))
    return folder


def mix(two, endless):
    return Mixture([(names(two / "a", endless=endless), 3.0), (names(two / "b.tar", endless=endless), 1.0)], seed=5)


def test_a_mixture_keeps_its_shares(two):
    taken = list(islice(mix(two, endless=True), 2000))
    assert sum(name[0] == "b" for name in taken) / 2000 == pytest.approx(0.25, abs=0.03)


def test_a_mixture_of_finite_streams_has_every_record_once(two):
    mixture = mix(two, endless=False)
    for _ in range(2):
        taken = list(mixture)
        assert len(taken) == len(set(taken)) == 80


@pytest.mark.parametrize("taken", [0, 1, 37, 79, 80])
def test_a_mixture_goes_on_at_the_exact_record(two, taken):
    whole = list(mix(two, endless=False))
    mixture = mix(two, endless=False)
    items = iter(mixture)
    first = list(islice(items, taken))
    other = mix(two, endless=False)
    other.load_state_dict(mixture.state_dict())
    assert first + list(other) == whole


def test_a_place_of_another_mixture_is_refused(two):
    place = mix(two, endless=False).state_dict()
    with pytest.raises(OptionError, match="weights"):
        Mixture([(names(two / "a"), 1.0), (names(two / "b.tar"), 1.0)]).load_state_dict(place)
    with pytest.raises(OptionError, match="weights above 0"):
        Mixture([(names(two / "a"), 0.0)])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_at_the_exact_batch(shards, workers):
    pytest.importorskip("torch")
    from ivm.data.loader import RecordLoader

    def fresh():
        return RecordLoader(names(shards, mixed=2), batch_size=3, collate=list, workers=workers)

    loader = fresh()
    whole, second = list(loader), list(loader)
    for epoch in (whole, second):
        assert sorted(name for batch in epoch for name in batch) == sorted(ALL)
    assert whole != second
    for taken in (0, 1, 4, len(whole) - 1, len(whole)):
        loader = fresh()
        first = list(islice(loader, taken))
        other = fresh()
        other.load_state_dict(loader.state_dict())
        assert first + list(other) == whole
    with pytest.raises(OptionError, match="use as many"):
        RecordLoader(names(shards), batch_size=3, collate=list, workers=1).load_state_dict(
            {"turn": 0, "ended": [False] * 9, "places": [None] * 9}
        )


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_go_on_in_their_turn(tmp_path):
    """The shards' records say which worker read them: batches alternate, from the worker whose turn it is on."""
    pytest.importorskip("torch")
    from ivm.data.loader import RecordLoader

    make_shards(tmp_path, [4, 4])

    def fresh():
        return RecordLoader(names(tmp_path, shuffle=False), batch_size=1, collate=list, workers=2)

    expected = [["r0"], ["r4"], ["r1"], ["r5"], ["r2"], ["r6"], ["r3"], ["r7"]]
    assert list(fresh()) == expected
    loader = fresh()
    list(islice(loader, 3))
    place = loader.state_dict()
    assert place["turn"] == 1
    other = fresh()
    other.load_state_dict(place)
    assert list(other) == expected[3:]


def test_importing_the_stream_is_light():
    code = (
        "import sys; from ivm.data import augment, loader, mixture, stream\n"
        "print({'torch', 'numba', 'datasets', 'webdataset', 'mujoco', 'scipy', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "set()\n"


def test_a_batch_is_as_documented(shards):
    torch = pytest.importorskip("torch")
    from ivm.data.loader import stacked

    samples = list(islice(RecordStream(shards, transform=Augment(size=(20, 10))), 4))
    batch = stacked(samples)
    assert batch.image.shape == (4, 10, 20, 3)
    assert batch.mask.shape == (4, 10, 20)
    assert batch.image.dtype == batch.mask.dtype == torch.uint8
    assert batch.weight.tolist() == [0.5] * 4
    assert batch.human.tolist() == [int(name[1:]) % 2 == 1 for name in batch.uuid]
    assert batch.present.tolist() == [True] * 4


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(10))
def test_picture_and_mask_are_cropped_and_mirrored_together(seed):
    """A picture that shows its own mask: wherever the target is bright, the mask says so."""
    mask = square(8)
    record = make_record(mask=mask, image=encode_picture(np.repeat(mask[..., None], 3, axis=2), "png"))
    sample = Augment(size=(40, 30), scale=(0.4, 0.9), mirror=0.5)(record, rng(seed))
    assert sample.image.shape == (30, 40, 3)
    np.testing.assert_array_equal(sample.image[..., 0], sample.mask)
    assert sample.mask.any(), "the target is never cropped away"


def test_a_sample_is_mirrored_only_where_no_side_is_named():
    record = make_record(instructions=["the cup"])
    whole = {"size": (32, 24), "scale": (1.0, 1.0), "ratio": (32 / 24, 32 / 24), "mirror": 1.0}
    np.testing.assert_array_equal(Augment(**whole)(record, rng()).mask, square(0)[:, ::-1])
    for text in ("the left cup", "the cup on the Right", "the leftmost one"):
        sample = Augment(**whole)(make_record(instructions=[text]), rng())
        np.testing.assert_array_equal(sample.mask, square(0))


def test_a_sample_follows_from_the_generator_and_draws_any_instruction():
    record, augment = make_record(), Augment(size=(16, 16), light=0.5)
    one, other = augment(record, rng(1)), augment(record, rng(1))
    np.testing.assert_array_equal(one.image, other.image)
    assert {augment(record, rng(seed)).instruction for seed in range(20)} == set(record.instructions)
    assert (one.weight, one.source, one.present, one.uuid) == (0.5, "machine", True, "r0")


def test_light_changes_the_picture_only():
    image = picture(1)
    changed = relit(image, 1.0, rng(3))
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)
    np.testing.assert_allclose(relit(image, 0.0, rng(3)), image, atol=1)


@pytest.mark.parametrize(
    "mistake",
    [{"size": (0, 3)}, {"scale": (0, 1)}, {"scale": (0.9, 0.8)}, {"ratio": (0, 1)}, {"mirror": 2}, {"light": -1}],
)
def test_impossible_augmentations(mistake):
    with pytest.raises(OptionError, match=next(iter(mistake))):
        Augment(**mistake)
