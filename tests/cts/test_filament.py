"""Worm-like chains, helices, lattices of microtubules, bundles and mixed filaments."""

from __future__ import annotations

import numpy as np
import pytest

from cts.canvas import OBJECT, Canvas
from cts.filament import Repeat, bundle_offsets, draw_kinds, draw_track, place_filaments
from cts.microtubule import PROTOFILAMENT_SPACING_ANGSTROM, microtubule_lattice
from cts.placement import make_body
from cts.potential import render
from tests.cts.bodies import ball, solid

PIXEL = 12.0
X, Z = np.array([1.0, 0, 0]), np.array([0.0, 0, 1])


def _repeat(rise=28.0, twist=-166.65, name="actin", radius=22.0, offset=(15.0, 0, 0)):
    structure = solid(name, name, ball(radius) + np.array(offset), 512.0)
    body = make_body(render(structure, PIXEL))
    return Repeat(name, name, (body,), np.eye(3)[None], np.zeros((1, 3)), rise, twist)


def _place(canvas, repeats, rng, **changes):
    values = {
        "length_angstrom": 1500.0,
        "persistence_angstrom": 1e5,
        "mixed_share": 0.5,
        "stretch_angstrom": 400.0,
        "offsets_angstrom": np.zeros((1, 2)),
        "bundle": 0,
        "positions_per_try": 50,
        "tolerance": 0.02,
    }
    return place_filaments(canvas, repeats, rng=rng, **(values | changes))


def test_tangents_forget_their_direction_over_the_persistence_length():
    rng = np.random.default_rng(1)
    repeat, length = _repeat(rise=50.0), 2000.0
    kinds = np.zeros(61, np.int64)
    tangents = np.array([draw_track([repeat], kinds, X, length, rng).carriers[:, :, 2] for _ in range(600)])
    correlation = np.einsum("nk,nsk->s", tangents[:, 0], tangents) / len(tangents)
    expected = np.exp(-50.0 * np.arange(61) / length)
    np.testing.assert_allclose(correlation, expected, atol=0.05)


def test_units_follow_each_other_by_rise_and_twist():
    track = draw_track(
        [_repeat()], np.zeros(20, np.int64), np.array([1.0, 2, 3]), 1e12, np.random.default_rng(0)
    )
    steps = np.diff(track.positions_angstrom, axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 28.0)
    np.testing.assert_allclose(steps / 28.0, np.tile(np.array([1, 2, 3]) / np.sqrt(14), (19, 1)), atol=1e-3)
    turn = track.frames[0].T @ track.frames[1]
    assert np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])) == pytest.approx(-166.65, abs=1e-3)
    np.testing.assert_allclose(np.linalg.det(track.frames), 1.0)


def test_a_right_handed_helix_advances_as_it_turns_counter_clockwise():
    """Seen against z, a right-handed helix that comes nearer turns counter-clockwise: x to y."""
    track = draw_track([_repeat(twist=30.0)], np.zeros(4, np.int64), Z, 1e12, np.random.default_rng(0))
    arms = track.frames[:, :, 0]
    assert (np.cross(arms[:-1], arms[1:]) @ Z > 0).all()
    assert (np.diff(track.positions_angstrom[:, 2]) > 0).all()


def test_mixed_filaments_have_the_share_and_the_stretches():
    rng = np.random.default_rng(2)
    kinds = draw_kinds(200_000, (28.0, 27.5), 0.3, 550.0, rng)
    assert kinds.mean() == pytest.approx(0.3, abs=0.02)
    starts = np.count_nonzero(np.diff(kinds) == 1)
    assert kinds.sum() / starts * 27.5 == pytest.approx(550, rel=0.1)
    assert not draw_kinds(10, (28.0,), 0.5, 100.0, rng).any()
    assert draw_kinds(10, (28.0, 27.5), 1.0, 100.0, rng).all()


def test_thirteen_protofilaments_run_straight_with_one_seam():
    lattice = microtubule_lattice(13, 82.0)
    assert lattice.twist_deg == pytest.approx(0.0, abs=1e-9)
    assert lattice.radius_angstrom == pytest.approx(13 * 51.5 / (2 * np.pi))
    heights = lattice.positions_angstrom[:, 2]
    np.testing.assert_allclose(np.diff(heights), -3 * 41 / 13)
    # after the whole turn the shift is three monomers, one and a half dimers: alpha beside beta
    assert heights[12] - 3 * 41 / 13 - heights[0] == pytest.approx(-1.5 * 82.0)
    distances = np.linalg.norm(np.diff(lattice.positions_angstrom[:, :2], axis=0), axis=1)
    np.testing.assert_allclose(distances, PROTOFILAMENT_SPACING_ANGSTROM, rtol=0.02)
    # x of each dimer points away from the axis
    outward = lattice.positions_angstrom[:, :2] / lattice.radius_angstrom
    np.testing.assert_allclose(lattice.rotations[:, :2, 0], outward, atol=1e-12)


@pytest.mark.parametrize(("protofilaments", "skew_deg"), [(12, 0.88), (14, -0.75), (15, 1.6)])
def test_other_lattices_are_skewed_as_measured(protofilaments, skew_deg):
    """Skews of 12_3, 14_3 and 15_4 as in Chrétien & Fuller (2000), right-handed positive, to a third."""
    lattice = microtubule_lattice(protofilaments, 82.0)
    skew = np.arctan(np.deg2rad(lattice.twist_deg) * lattice.radius_angstrom / 82.0)
    assert np.rad2deg(skew) == pytest.approx(skew_deg, rel=0.35)


def test_filaments_lie_between_closed_faces_and_leave_through_open_ones():
    rng = np.random.default_rng(3)
    canvas = Canvas((24, 100, 100), PIXEL, (True, False, False))
    placed = [filament for _ in range(12) for filament in _place(canvas, [_repeat()], rng)]
    assert len(placed) >= 8
    assert canvas.occupancy[[0, -1]].max() < 0.5
    ends = np.array([f.points[k].position_zyx for f in placed for k in (0, -1)])
    outside = (ends[:, 1:] < 0).any(axis=1) | (ends[:, 1:] > 99).any(axis=1)
    assert outside.any()
    boxed = Canvas((40, 60, 60), PIXEL, (True, True, True))
    assert _place(boxed, [_repeat()], rng)
    for axis in range(3):
        assert np.take(boxed.occupancy, [0, -1], axis=axis).max() < 0.5


def test_an_open_face_is_crossed_by_filaments_at_any_angle():
    rng = np.random.default_rng(4)
    tangents = []
    for _ in range(40):
        canvas = Canvas((60, 60, 60), PIXEL, (False, False, False))
        points = _place(canvas, [_repeat()], rng, length_angstrom=500.0)[0].points
        tangents.append(points[0].rotation[:, 2])
    assert np.abs(np.mean(np.square(tangents), axis=0) - 1 / 3).max() < 0.15


def test_filaments_do_not_cross():
    rng = np.random.default_rng(5)
    canvas = Canvas((20, 80, 80), PIXEL, (True, False, False))
    placed = [filament for _ in range(30) for filament in _place(canvas, [_repeat()], rng)]
    assert len(placed) > 5
    axes = [np.array([point.position_zyx for point in f.points]) * PIXEL for f in placed]
    pairs = [(a, b) for number, a in enumerate(axes) for b in axes[:number]]
    # units reach 37 Å from their axis on one side and 7 Å on the other
    assert min(np.linalg.norm(a[:, None] - b, axis=-1).min() for a, b in pairs) > 30


def test_bundles_are_parallel_at_their_spacing():
    offsets = bundle_offsets(7, 120.0)
    distances = np.linalg.norm(offsets[:, None] - offsets, axis=-1)
    assert (offsets[0] == 0).all()
    assert distances[distances > 0].min() == pytest.approx(120.0)
    assert np.ptp(offsets[:, 0]) >= np.ptp(offsets[:, 1])
    canvas = Canvas((40, 100, 100), PIXEL, (True, False, False))
    placed = _place(canvas, [_repeat()], np.random.default_rng(6), offsets_angstrom=offsets, bundle=3)
    assert len(placed) == 7
    assert {f.bundle for f in placed} == {3}
    assert len({f.instance for f in placed}) == 7
    tangents = np.array([f.points[len(f.points) // 2].rotation[:, 2] for f in placed])
    assert (tangents @ tangents[0]).min() > 0.99
    first = np.array([point.position_zyx for point in placed[0].points])
    middle = placed[1].points[len(placed[1].points) // 2].position_zyx
    nearest = np.linalg.norm(first - middle, axis=1).min() * PIXEL
    assert nearest == pytest.approx(120.0, abs=15)


def test_bundles_stay_whole_where_there_is_room_between_obstacles():
    whole = 0
    for seed in range(4):
        canvas = Canvas((30, 140, 140), PIXEL, (True, False, False))
        # a wall with a gap: most courses of a bundle of some 60 voxels' length would run into it
        canvas.code[:, 66:74] = OBJECT
        canvas.code[:, 60:80, 60:80] = 0
        offsets = bundle_offsets(5, 120.0)
        placed = _place(canvas, [_repeat()], np.random.default_rng(seed), offsets_angstrom=offsets, bundle=1)
        whole += len(placed) == 5
    assert whole == 4


def test_a_mixed_filament_is_one_object_of_two_classes():
    canvas = Canvas((30, 100, 100), PIXEL, (True, False, False))
    other = _repeat(rise=27.5, twist=-162.0, name="cofilactin", radius=30.0)
    placed = _place(canvas, [_repeat(), other], np.random.default_rng(8))
    names = [point.class_name for point in placed[0].points]
    assert set(names) == {"actin", "cofilactin"}
    assert np.count_nonzero(np.array(names[1:]) != np.array(names[:-1])) < 8
    assert set(canvas.class_occupancy) == {"actin", "cofilactin"}
    assert set(np.unique(canvas.instance)) <= {0, placed[0].instance}
