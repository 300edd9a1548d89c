import itertools

import numpy as np
import pytest

from ivm.core.errors import OptionError
from ivm.core.instruction import BUCKETS, PIECES
from ivm.data.tabletop.colors import COLORS
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.questions import Question
from ivm.data.tabletop.scene import Scene, Thing
from ivm.data.tabletop.stream import COLOR_CLASSES, KIND_CLASSES, TabletopStream, _classes, _half, view

TINY = {"pictures": 3, "questions": 2, "fresh": 2, "memory": 4, "scene_size": (96, 96), "sizes": ((64, 64), (96, 64))}


def take(count, start=0, **changes):
    return list(itertools.islice(TabletopStream(**TINY | changes).batches(start), count))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def batches():
    return take(6)


def test_a_batch_is_the_same_wherever_the_stream_starts(batches):
    assert same(take(1, start=4)[0], batches[4])
    assert same(take(1)[0], batches[0])


def test_batches_differ(batches):
    assert not any(
        np.array_equal(a.image[:1, :64, :64], b.image[:1, :64, :64]) for a, b in itertools.combinations(batches, 2)
    )
    assert not same(take(1, seed=1)[0], batches[0])


def test_scenes_from_before_a_later_stage_are_not_seen_again_and_a_run_may_begin_before_it(batches):
    assert same(take(1, first_batch=3)[0], batches[0])
    shown, drawn = TabletopStream._scene, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TabletopStream, "_scene", lambda self, n, *rest: drawn.append(n) or shown(self, n, *rest))
        take(3, first_batch=3, start=3, memory=100)
    assert min(drawn) == 3 * TINY["fresh"]


def test_processes_see_other_scenes_of_the_same_size():
    one, other = (take(3, rank=rank, world=2) for rank in (0, 1))
    for a, b in zip(one, other, strict=True):
        assert a.image.shape == b.image.shape
        assert not any(np.array_equal(x, y) for x in a.image for y in b.image)
    scenes = [TabletopStream(**TINY | {"rank": rank, "world": 2})._draw(1, None) for rank in (0, 1)]
    assert scenes[0].things != scenes[1].things


def test_a_batch_is_as_documented(batches):
    for batch in batches:
        b, height, width, _ = batch.image.shape
        assert (b, (width, height)) in [(3, size) for size in TINY["sizes"]]
        assert [array.dtype for array in batch] == [
            np.uint8, np.int64, np.int64, np.uint8, np.float32, np.uint8, np.uint8
        ]  # fmt: skip
        assert batch.tokens.shape[0] == 6
        assert batch.tokens.shape[2] == PIECES
        assert batch.tokens.min() >= 0
        assert batch.tokens.max() <= 2 * BUCKETS
        assert (batch.tokens[:, 0, 0] > 0).all(), "every question has a first word"
        assert batch.picture.tolist() == [0, 0, 1, 1, 2, 2]
        assert batch.mask.shape == (6, height // 2, width // 2)
        assert set(np.unique(batch.mask)) <= {0, 50, 100, 150, 200, 255}
        assert set(np.unique(batch.present)) <= {0, 1}
        assert not batch.mask[batch.present == 0].any()
        assert batch.kinds.shape == batch.colors.shape == (3, height // 8, width // 8)
        assert set(np.unique(batch.kinds)) <= {*range(len(KINDS) + 1), 255}
        assert set(np.unique(batch.colors)) <= {*range(len(COLORS) + 1), 255}
        np.testing.assert_array_equal(batch.kinds == 255, batch.colors == 255)


def test_early_batches_are_small():
    changed = {"small_batches": 2, "small_sizes": ((64, 32),)}
    sizes = [batch.image.shape[1:3] for batch in take(3, **changed)]
    assert sizes[:2] == [(32, 64), (32, 64)]
    assert sizes[2] in [(64, 64), (64, 96)]


def test_all_sizes_come_up(batches):
    assert {batch.image.shape[2] for batch in batches} == {64, 96}


@pytest.mark.parametrize(
    "mistake",
    [
        {"pictures": 0},
        {"questions": 0},
        {"fresh": 0},
        {"fresh": 4},
        {"memory": 0},
        {"pictures": 2.5},
        {"pictures": True},
        {"pictures": "3"},
        {"small_batches": -1},
        {"seed": -1},
        {"rank": 1},
        {"world": 0},
        {"sizes": ()},
        {"sizes": ((64, 64, 3),)},
        {"sizes": ((64, 50),)},
        {"sizes": 64},
        {"small_sizes": (("64", 64),)},
        {"small_sizes": [[0, 64]]},
        {"scene_size": (96,)},
        {"scene_size": (0, 96)},
        {"scene_size": None},
        {"fewest": -1},
        {"most": 2},
        {"everyday": "often"},
        {"kinds": ("unicorn",)},
    ],
    ids=str,
)
def test_an_impossible_stream_is_refused_at_birth(mistake):
    name = "fresh" if mistake == {"fresh": 4} else next(iter(mistake))
    with pytest.raises(OptionError, match=name):
        TabletopStream(**TINY | mistake)


def test_half_a_mask_is_the_share_of_each_block():
    mask = np.array(
        [
            [0, 0, 1, 0, 1, 1, 1, 1, 1, 255],
            [0, 0, 0, 0, 0, 0, 1, 0, 1, 1],
            [1, 1, 255, 255, 0, 255, 0, 0, 1, 1],
            [1, 1, 255, 255, 0, 0, 0, 1, 1, 1],
        ],
        np.uint8,
    )
    half = _half(Question("the cup", mask, True, "single"))
    assert half.dtype == np.uint8
    assert half.tolist() == [[0, 50, 100, 150, 255], [200, 255, 255, 50, 200]]


def test_classes_are_unknown_where_things_meet():
    ids = np.zeros((16, 24), np.uint8)
    ids[0:8, 8:16] = 1
    ids[8:16, 16:20] = 2
    ids[8:16, 0:8] = 255
    things = (Thing("cup", "red"), Thing("duck", "yellow"))
    scene = Scene(np.zeros((16, 24, 3), np.uint8), ids, things)
    assert _classes(scene, [7, 9]).tolist() == [[0, 7, 0], [0, 0, 255]]


def test_classes_have_distinct_numbers_that_leave_room():
    for classes in (KIND_CLASSES, COLOR_CLASSES):
        assert sorted(classes.values()) == list(range(1, len(classes) + 1))
        assert len(classes) < 254


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("width", "height"), [(32, 32), (64, 32), (32, 64), (128, 128)])
def test_a_view_keeps_ids_where_their_pixels_are(seed, width, height):
    """A scene whose image says its ids: after any crop, mirror and tint, brighter is still the higher id."""
    ids = np.repeat(np.array([0, 1, 2, 255], np.uint8), 16)[None].repeat(48, axis=0)
    level = np.choose(np.minimum(ids, 3), [40, 90, 140, 190]).astype(np.uint8)
    scene = Scene(level[..., None].repeat(3, axis=2), ids, (Thing("cup", "red"), Thing("cup", "blue")))
    seen = view(scene, width, height, np.random.default_rng(seed))
    assert seen.image.shape == (height, width, 3)
    assert seen.ids.shape == (height, width)
    assert seen.things == scene.things
    assert set(np.unique(seen.ids)) <= {0, 1, 2, 255}
    brightness = [seen.image[seen.ids == id_].mean() for id_ in (0, 1, 2, 255) if (seen.ids == id_).any()]
    assert brightness == sorted(brightness)
    assert len(brightness) >= 2


def test_a_view_may_be_mirrored():
    ids = np.zeros((32, 32), np.uint8)
    ids[:, :8] = 1
    scene = Scene(np.zeros((32, 32, 3), np.uint8), ids, (Thing("cup", "red"),))
    sides = {
        "left" if (v.ids[:, :16] == 1).sum() > (v.ids[:, 16:] == 1).sum() else "right"
        for v in (view(scene, 32, 32, np.random.default_rng(seed)) for seed in range(30))
        if (v.ids == 1).any()
    }
    assert sides == {"left", "right"}
