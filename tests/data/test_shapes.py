import numpy as np
import pytest

from ivm.data.tabletop.kinds import KINDS
from ivm.data.tabletop.shapes import box, disc, ellipsoid, extrude, join, lathe, rotation, tube


def lengths(vectors):
    return np.linalg.norm(vectors, axis=1)


def outward(mesh):
    """How much each normal points away from the z axis, for vertices that do not lie on it."""
    away = mesh.vertices[:, :2]
    off = lengths(away) > 0.1
    return (mesh.normals[off, :2] * away[off] / lengths(away[off])[:, None]).sum(axis=1)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_kind_builds_a_solid_that_stands_on_the_table(kind, seed):
    mesh = kind.build(np.random.default_rng(seed))
    assert np.isfinite(mesh.vertices).all()
    assert mesh.vertices[:, 2].min() >= -0.5
    assert 1 < np.ptp(mesh.vertices, axis=0).max() < 60, "centimetres"
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)
    assert len(mesh.parts) == len(mesh.faces)
    assert set(mesh.parts) <= set(range(1 + len(kind.parts)))
    assert 0 in mesh.parts, "something shows the object's own colour"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_normals_have_unit_length_but_for_a_few_poles(kind):
    mesh = kind.build(np.random.default_rng(0))
    long = lengths(mesh.normals[np.unique(mesh.faces)])
    assert long.max() < 1.001
    assert long.min() > 0.5, "a pole's is a mean, which is a little shorter"
    assert np.isclose(np.median(long), 1, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_faces_turn_the_way_their_normals_say(kind):
    """Both renderers leave out what turns away from the eye."""
    mesh = kind.build(np.random.default_rng(0))
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    agree = (across * mesh.normals[mesh.faces].mean(axis=1)).sum(axis=1)
    assert (agree[lengths(across) > 1e-5] > 0).all()


def test_a_lathed_cylinder_looks_outward():
    mesh = lathe([(2, 0), (2, 1), (2, 2)], sides=12)
    np.testing.assert_allclose(lengths(mesh.vertices[:, :2]), 2, rtol=1e-6)
    np.testing.assert_allclose(outward(mesh), 1, atol=1e-6)
    np.testing.assert_allclose(mesh.normals[:, 2], 0, atol=1e-6)
    assert len(mesh.faces) == 2 * 2 * 12


def test_an_upright_tube_looks_outward_and_is_closed():
    mesh = tube([(0, 0, 0), (0, 0, 1), (0, 0, 2)], 0.5, sides=8)
    assert (outward(mesh)[8:-8] > 0.5).all()
    np.testing.assert_allclose(mesh.normals[:8], np.tile([0, 0, -1], (8, 1)), atol=1e-6)
    np.testing.assert_allclose(mesh.normals[-8:], np.tile([0, 0, 1], (8, 1)), atol=1e-6)
    assert lengths(mesh.vertices[:, :2]).max() == pytest.approx(0.5)


@pytest.mark.parametrize("turn", [1, -1])
def test_an_extrusion_looks_outward_whichever_way_its_outline_turns(turn):
    square = [(-1, -1), (1, -1), (1, 1), (-1, 1)][::turn]
    mesh = extrude(square, 3)
    sides = mesh.normals[:, 2] == 0
    assert sides.sum() == 16
    assert (outward(mesh)[(lengths(mesh.vertices[:, :2]) > 0.1).nonzero()[0] >= 10] > 0.5).all()
    assert set(mesh.normals[mesh.vertices[:, 2] == 3][:5, 2]) == {1}
    assert set(mesh.normals[mesh.vertices[:, 2] == 0][:5, 2]) == {-1}


def test_an_ellipsoid_has_its_half_axes_and_looks_outward():
    mesh = ellipsoid(1, 2, 3)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [1, 2, 3], atol=0.05)
    assert ((mesh.normals * mesh.vertices).sum(axis=1) > 0).all()


def test_a_box_and_a_disc_have_their_sizes():
    np.testing.assert_allclose(np.ptp(box(1, 2, 3).vertices, axis=0), [1, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(np.ptp(disc(2, 5).vertices, axis=0), [4, 4, 5], rtol=1e-6)
    assert box(1, 2, 3).vertices[:, 2].min() == 0


@pytest.mark.parametrize(
    ("axis", "point", "to"),
    [("x", (0, 1, 0), (0, 0, 1)), ("y", (0, 0, 1), (1, 0, 0)), ("z", (1, 0, 0), (0, 1, 0))],
)
def test_rotations_are_right_handed(axis, point, to):
    np.testing.assert_allclose(rotation(axis, 90) @ point, to, atol=1e-6)


def test_moving_scales_then_turns_then_shifts():
    moved = box(2, 4, 6).moved(rotation("z", 90), (10, 0, 0), scale=0.5)
    np.testing.assert_allclose(moved.vertices.min(axis=0), [9, -0.5, 0], atol=1e-6)
    np.testing.assert_allclose(moved.vertices.max(axis=0), [11, 0.5, 3], atol=1e-6)
    np.testing.assert_allclose(lengths(moved.normals), 1, atol=1e-6)


def test_joining_keeps_parts_and_corners():
    one, two = box(1, 1, 1), disc(1, 1, sides=5).part(3)
    both = join(one, two)
    np.testing.assert_array_equal(both.vertices[both.faces[-1]], two.vertices[two.faces[-1]])
    assert list(np.unique(both.parts)) == [0, 3]
    assert (both.parts == 3).sum() == len(two.faces)
