"""MuJoCo draws the same layouts as the fast renderer; skipped, with the reason, where it cannot draw."""

import ctypes
import os
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest

from ivm.core.errors import DeviceError, IvmError, OptionError
from ivm.data.sources.scenes import SceneSource
from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.layout import Thing, draw_layout
from ivm.data.tabletop.look import material
from ivm.data.tabletop.mujoco_gl import backend, open_context
from ivm.data.tabletop.mujoco_look import Exposure
from ivm.data.tabletop.mujoco_studio import MujocoScenes, Studio
from ivm.data.tabletop.options import SceneOptions
from ivm.data.tabletop.scene import trace
from ivm.data.tabletop.shelf import Shelf
from ivm.data.tabletop.stream import TabletopStream

SIZE = {"width": 96, "height": 72}
SMALL = SceneOptions(**SIZE, most=6)


@pytest.fixture(scope="session")
def can_draw():
    pytest.importorskip("mujoco", reason="mujoco is not installed")
    try:
        open_context(8, 8).free()
    except IvmError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pairs(can_draw):
    """Layouts, each with its light and ids as drawn by the fast renderer and by MuJoCo, both with 2 x 2 samples."""
    found = []
    for seed in range(3):
        layout = draw_layout(np.random.default_rng((4, seed)), SceneOptions(**SIZE, most=8))
        studio = Studio([solid.shape for solid in layout.solids], **SIZE)
        found.append((layout, trace(layout, 96, 72, supersample=2), studio.trace(layout)))
        studio.close()
    return found


@pytest.fixture(scope="module")
def scenes(can_draw):
    scenes = MujocoScenes(3, SMALL, scenes_per_studio=2)
    yield scenes
    scenes.close()


def same(one, other):
    return one.things == other.things and (one.image == other.image).all() and (one.ids == other.ids).all()


def test_both_renderers_see_the_same_thing_at_the_same_place(pairs):
    for _, (_, fast), (_, slow) in pairs:
        assert slow.shape == (72, 96)
        assert slow.dtype == np.uint8
        assert (fast == slow).mean() > 0.995, "they part at edges only"


def test_both_renderers_show_about_the_same_light(pairs):
    for _, (fast, _), (slow, _) in pairs:
        assert slow.shape == (72, 96, 3)
        assert slow.dtype == np.float32
        both = np.stack([np.sqrt(light).ravel() for light in (fast, slow)])
        assert np.corrcoef(both)[0, 1] > 0.8


def test_a_shadow_darkens_the_table_and_does_not_blacken_it(can_draw):
    """The table under a tray that hangs above it, against the same table beside it."""
    layout = draw_layout(np.random.default_rng(1), SceneOptions(**SIZE), wanted=[Thing("tray", "white")])
    white = material(np.random.default_rng(0), "white")
    white[10] = white[7] = 0
    layout = replace(layout, table=white)
    empty = replace(layout, things=(), solids=())
    studio = Studio([solid.shape for solid in layout.solids], **SIZE)
    (light, ids), (plain, nothing) = studio.trace(layout), studio.trace(empty)
    studio.close()
    assert not nothing.any()
    table = ids == 0
    ratio = light[table].mean(axis=1) / plain[table].mean(axis=1)
    assert np.percentile(ratio, 99) < 1.02, "all but where an edge of the tray shines into a pixel"
    assert 0.02 < ratio.min() < 0.9


def test_a_scene_depends_on_its_number_alone(scenes):
    first = [scenes.scene(number) for number in (0, 1, 2)]
    assert same(scenes.scene(1), first[1]), "after another studio"
    fresh = MujocoScenes(3, SMALL, scenes_per_studio=2)
    assert same(fresh.scene(2), first[2])
    fresh.close()
    assert len({scene.image.tobytes() for scene in first}) == 3


def test_another_process_draws_the_same(scenes):
    code = (
        "from ivm.data.tabletop.mujoco_studio import MujocoScenes, SceneOptions; import zlib; "
        f"s = MujocoScenes(3, {SMALL}, scenes_per_studio=2).scene(3); "
        "print(zlib.crc32(s.image.tobytes()), zlib.crc32(s.ids.tobytes()))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=True)
    assert other.stderr == "", "nothing is freed too late"
    scene = scenes.scene(3)
    assert other.stdout.split() == [str(zlib.crc32(scene.image.tobytes())), str(zlib.crc32(scene.ids.tobytes()))]


def test_a_scene_is_as_documented(scenes):
    for number in range(4):
        scene = scenes.scene(number)
        assert scene.image.shape == (72, 96, 3)
        assert scene.image.dtype == scene.ids.dtype == np.uint8
        assert np.ptp(scene.image) > 50
        assert set(np.unique(scene.ids)) <= {0, *range(1, len(scene.things) + 1), 255}


def test_a_stream_mixes_scenes_of_both_renderers(scenes):
    changes = {"scene_size": (96, 96), "sizes": ((64, 64),), "pictures": 2, "fresh": 2, "questions": 2, "memory": 4}
    mixed, plain = TabletopStream(**changes, mujoco=0.5), TabletopStream(**changes)
    studio = MujocoScenes(mixed.seed, mixed.scenes)
    drawn = [mixed._draw(number, studio) for number in range(4)]
    same_as_before = [same(scene, plain._draw(number, studio)) for number, scene in enumerate(drawn)]
    assert same_as_before == [True, False, True, False]
    assert same(drawn[3], studio.scene(1))
    ranks = [TabletopStream(**changes, mujoco=0.5, rank=rank, world=2)._draw(1, studio) for rank in (0, 1)]
    assert not same(*ranks)
    studio.close()
    assert next(mixed.batches(0)).image.shape == (2, 64, 64, 3)


def test_mujocos_scenes_become_records_that_any_process_makes(can_draw):
    source = SceneSource(scenes=3, width=64, height=48, renderer="mujoco")
    whole = list(source.read(0, 3))
    assert list(source.read(2, 3)) == [record for record in whole if record.provenance.item == "scene 2"]
    assert source.name == "tabletop-mujoco"
    assert all(record.uuid.startswith("tabletop-mujoco-0-") for record in whole)
    assert {record.provenance.maker.partition(",")[0] for record in whole} == {"ivm MuJoCo renderer"}
    fast = list(SceneSource(scenes=3, width=64, height=48).read(0, 3))
    assert not {record.picture for record in whole} & {record.picture for record in fast}
    with pytest.raises(OptionError, match=r"2\.5d, mujoco"):
        SceneSource(scenes=3, renderer="blender")


@pytest.mark.parametrize("mistake", [{"mujoco": -0.1}, {"mujoco": 1.5}, {"mujoco": "half"}, {"mujoco": True}])
def test_an_impossible_share_is_refused(mistake):
    with pytest.raises(OptionError, match="mujoco"):
        TabletopStream(**mistake)


def test_a_shelf_holds_every_kind_and_more_of_common_ones():
    shelf = Shelf(np.random.default_rng(0), kinds=("cup", "hammer"))
    rng = np.random.default_rng(1)
    assert len({id(shelf.specimen(rng, KINDS["cup"])) for _ in range(60)}) == 4
    assert len({id(shelf.specimen(rng, KINDS["hammer"])) for _ in range(20)}) == 1
    assert {id(mesh) for mesh in shelf} >= {id(shelf.specimen(rng, KINDS["cup"])), id(shelf.arm(rng, "hand")[0])}


def test_a_solid_is_its_shape_scaled_turned_and_shifted():
    for seed in range(4):
        for solid in draw_layout(np.random.default_rng(seed), SceneOptions()).solids:
            moved = solid.shape.vertices * solid.scale @ solid.turn.T + solid.place
            np.testing.assert_allclose(moved, solid.mesh.vertices, atol=1e-3)
            np.testing.assert_allclose(solid.local + solid.origin, solid.mesh.vertices, atol=1e-3)


def test_a_pattern_only_darkens_the_colour_that_is_drawn():
    rng = np.random.default_rng(0)
    exposure = Exposure(1.0)
    for color, texture in (("yellow", "holes"), ("red", "label"), ("wooden", "grain"), ("blue", "plain")):
        row = material(rng, color, texture)
        surface = exposure.surface(row, np.ones(3, np.float32))
        assert surface.shape == (11,)
        if surface[0]:
            assert (surface[2:8] <= 1.001).all()
        assert ((exposure.color(row) >= 0) & (exposure.color(row) <= 1)).all()


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(DeviceError, match="MUJOCO_GL=vulkan"):
        backend()
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr(ctypes, "CDLL", _nothing_there)
    with pytest.raises(DeviceError, match=r"libosmesa6.*MUJOCO_GL"):
        backend()
    assert "MUJOCO_GL" not in os.environ


def _nothing_there(file):
    raise OSError(f"{file}: cannot open shared object file")
