"""Room, faces, tolerance and fairness of placement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from cts.canvas import OBJECT, Canvas
from cts.free_room import FreeRoom, _coarse_distance
from cts.membrane_field import MembraneField
from cts.particles import PlacementRules, Species, place_particles, schedule
from cts.placement import Pose, add_poses, bounded, first_fit, footprint, make_body, random_rotation
from cts.potential import render
from cts.species import share_attempts
from tests.cts.bodies import L_SHAPE, ball, beads, solid

PIXEL = 10.0


def _canvas(shape=(24, 40, 40), closed=(False, False, False)):
    return Canvas(shape, PIXEL, closed)


def _bodies(structure):
    return make_body(render(structure, PIXEL))


def _species(name, points, attempts, *, is_large=True, placement="complex", layer=0):
    structure = solid(name, "ribosome", points, 512.0)
    return Species(name, layer, placement, is_large, (render(structure, PIXEL),), attempts)


def _rules(**changes):
    rules = {
        "tolerance": 0.02,
        "positions": 200,
        "bundle_members": 6,
        "cluster_members": 6,
        "density": 1.0,
        "layer_occupancies": (1.0, 1.0),
    }
    return PlacementRules(**(rules | changes))


def _place(canvas, species, seed=1, **changes):
    membranes = MembraneField(canvas, np.zeros(canvas.shape, np.uint8), None)
    return place_particles(canvas, species, membranes, _rules(**changes), np.random.default_rng(seed))


def test_first_fit_skips_filled_positions_and_allows_the_tolerance():
    canvas = _canvas()
    canvas.code[:, :, :20] = OBJECT
    cube = np.argwhere(np.ones((4, 4, 4))).astype(np.int32)
    positions = np.array([[5, 5, 5], [5, 5, 19], [5, 5, 21]])
    assert first_fit(canvas, bounded(cube), positions, 0.0) == 2
    # a quarter of the cube at x = 19 is in the filled half
    assert first_fit(canvas, bounded(cube), positions, 0.24) == 2
    assert first_fit(canvas, bounded(cube), positions, 0.25) == 1
    assert first_fit(canvas, bounded(cube), positions[:1], 0.5) == -1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_closed_face_holds_objects_and_an_open_one_cuts_them(axis):
    closed = [False, False, False]
    closed[axis] = True
    cube = np.argwhere(np.ones((4, 4, 4))).astype(np.int32)
    position = np.array([[10, 10, 10]])
    position[0, axis] = -1
    assert first_fit(_canvas(), bounded(cube), position, 0.0) == 0
    assert first_fit(_canvas(closed=tuple(closed)), bounded(cube), position, 0.0) == -1
    position[0, axis] = 1
    assert first_fit(_canvas(closed=tuple(closed)), bounded(cube), position, 0.0) == 0


def test_footprint_is_where_the_stamp_is_half_filled():
    body = _bodies(solid("ball", "ribosome", ball(60), 512.0))
    shape = footprint(body, np.eye(3)[None], np.zeros((1, 3)))
    canvas = _canvas((41, 41, 41))
    add_poses(canvas, [Pose(body, np.array([20.0, 20, 20]), np.eye(3))], 0.0)
    filled = np.argwhere(canvas.occupancy >= 0.5) - 20
    assert {tuple(offset) for offset in shape.offsets} == {tuple(offset) for offset in filled}
    # 4/3 π r³ at the density of the lattice: its beads fill it
    assert len(filled) == pytest.approx(len(ball(60)) * 512 / 1000, rel=0.08)


def test_excess_counts_only_what_finds_no_room():
    canvas = _canvas((1, 1, 5))
    canvas.occupancy[0, 0] = [0.0, 0.5, 0.75, 1.0, 1.5]
    stamp = np.full((1, 1, 5), 0.5, np.float32)
    excess, volume = canvas.excess(stamp, (0, 0, 0))
    assert volume == pytest.approx(2.5)
    assert excess == pytest.approx(0 + 0 + 0.25 + 0.5 + 0.5)


def test_an_object_is_not_put_where_another_is():
    canvas = _canvas()
    body = _bodies(solid("ball", "ribosome", ball(50), 512.0))
    pose = Pose(body, np.array([12.0, 20, 20]), np.eye(3))
    assert add_poses(canvas, [pose], 0.02) == 1
    before = canvas.potential.copy()
    assert add_poses(canvas, [pose], 0.02) is None
    np.testing.assert_array_equal(canvas.potential, before)


def test_proposals_lie_where_the_core_may_fit_and_in_their_compartment():
    rng = np.random.default_rng(3)
    canvas = _canvas((32, 64, 64))
    canvas.code[rng.random(canvas.shape) < 0.0005] = OBJECT
    canvas.code[:, 20:30, 20:30] = OBJECT
    compartments = np.zeros(canvas.shape, np.uint8)
    compartments[:, :, 40:] = 1
    room = FreeRoom(canvas, compartments)
    big = np.zeros(canvas.shape, bool)
    big[:, 20:30, 20:30] = True
    distance = distance_transform_edt(~big)
    positions = room.propose(8.0, 2000, rng)
    # the map is coarse (two voxels) and its distances are approximate
    assert distance[tuple(positions.T)].min() > 8.0 - 2 * 2 - 2
    assert (room.propose(2.0, 500, rng, "vesicle")[:, 2] >= 39).all()
    assert (room.propose(2.0, 500, rng, "cytosol")[:, 2] <= 40).all()
    assert len(room.propose(100.0, 50, rng)) in (0, 50)


def test_proposals_keep_off_closed_faces():
    room = FreeRoom(_canvas((32, 64, 64), (True, False, False)))
    positions = room.propose(10.0, 1000, np.random.default_rng(0))
    assert positions[:, 0].min() >= 6
    assert positions[:, 0].max() <= 25
    assert positions[:, 1].min() <= 2


@pytest.mark.parametrize("closed", [(True, False, False), (True, True, True)])
def test_the_map_of_room_holds_chamfer_distances_to_what_is_half_filled(closed):
    """Against their closed form: 3 a + 4 b + 5 c steps across faces, edges and corners."""
    canvas = _canvas((10, 13, 11), closed)
    rng = np.random.default_rng(5)
    for corner in rng.integers(0, canvas.shape, (4, 3)):
        canvas.code[tuple(slice(start, start + 2) for start in corner)] = OBJECT
    filled = np.pad(canvas.code != 0, 1)
    for axis in np.flatnonzero(closed):
        np.moveaxis(filled, axis, 0)[[0, -1]] = True
    steps = np.abs(np.argwhere(np.ones_like(filled))[:, None] - np.argwhere(filled))
    large, middle, small = np.sort(steps, axis=2)[..., ::-1].transpose(2, 0, 1)
    expected = (5 * small + 4 * (middle - small) + 3 * (large - middle)).min(axis=1).reshape(filled.shape)
    found = _coarse_distance(canvas.code, 1, np.array(closed))
    np.testing.assert_array_equal(found, expected[1:-1, 1:-1, 1:-1])


def test_no_proposals_without_room():
    canvas = _canvas()
    canvas.code[:] = OBJECT
    assert len(FreeRoom(canvas).propose(1.0, 10, np.random.default_rng(0))) == 0


def test_attempts_alternate_between_species_and_layers_large_first():
    species = [
        _species("a", ball(20), 4),
        _species("b", ball(20), 2),
        _species("c", ball(20), 2, is_large=False),
        _species("d", ball(20), 2, placement="membrane"),
    ]
    order = schedule(species, has_membranes=True)
    assert order == [3, 3, 0, 0, 1, 0, 0, 1, 2, 2] or order == [3, 3, 0, 1, 0, 0, 1, 0, 2, 2]
    assert 3 not in schedule(species, has_membranes=False)
    assert share_attempts(10, 3) == [4, 3, 3]


def test_the_last_species_of_a_crowded_list_is_not_starved():
    canvas = _canvas((30, 60, 60), (True, False, False))
    species = [_species(f"s{number}", ball(35 + 3 * (number % 2)), 120) for number in range(6)]
    _place(canvas, species)
    counts = [own.placed for own in species]
    assert sum(counts) < sum(own.attempts for own in species)  # there was not room for all
    assert min(counts) > 0.5 * max(counts)


def test_layers_stop_at_their_occupancy_and_all_at_the_density():
    canvas = _canvas((30, 60, 60))
    first, second = _species("a", ball(30), 400, layer=0), _species("b", ball(30), 400, layer=1)
    _place(canvas, [first, second], layer_occupancies=(0.03, 0.06))
    size = np.prod(canvas.shape)
    one = first.placed * np.count_nonzero(canvas.occupancy >= 0.5) / (first.placed + second.placed) / size
    assert one == pytest.approx(0.03, abs=0.004)
    assert second.placed == pytest.approx(2 * first.placed, rel=0.15)
    crowded = _canvas((30, 60, 60))
    _place(crowded, [_species("a", ball(30), 2000)], density=0.1)
    assert np.mean(crowded.code == OBJECT) == pytest.approx(0.1, abs=0.01)
    assert crowded.filled_fraction == pytest.approx(np.mean(crowded.code == OBJECT))


def test_crowding_reaches_a_third_of_the_voxels():
    canvas = _canvas((30, 80, 80), (True, False, False))
    species = [_species("large", ball(60), 300), _species("small", ball(20), 1500, is_large=False)]
    _place(canvas, species)
    assert canvas.filled_fraction > 0.30


def test_a_single_draws_one_submodel_an_assembly_the_first_and_some():
    structure = beads("two", *(("ribosome", L_SHAPE + 10 * number) for number in range(4)))
    rendered = render(structure, PIXEL)
    rng = np.random.default_rng(0)
    draws = {
        placement: {Species("two", 0, placement, True, (rendered,), 1).draw(rng).parts for _ in range(60)}
        for placement in ("single", "assembly", "complex")
    }
    assert draws["single"] == {(0,), (1,), (2,), (3,)}
    assert draws["complex"] == {(0, 1, 2, 3)}
    assert all(parts[0] == 0 for parts in draws["assembly"])
    assert {len(parts) for parts in draws["assembly"]} == {1, 2, 3, 4}


def test_conformers_vary():
    conformers = tuple(render(beads("c", ("ribosome", L_SHAPE * scale)), PIXEL) for scale in (1.0, 1.5))
    species = Species("c", 0, "complex", True, conformers, 40)
    placed = _place(_canvas((40, 80, 80)), [species])
    assert {item.conformer for item in placed} == {0, 1}


def test_bundles_are_parallel_and_clusters_close():
    points = ball(70)
    rod = points[np.hypot(points[:, 0], points[:, 1]) < 20]
    bundle = _species("rod", rod, 1, placement="bundle")
    placed = _place(_canvas((60, 60, 60)), [bundle])
    assert len(placed) >= 4
    axes = np.array([item.rotation[:, 2] for item in placed])
    assert np.abs(axes @ axes[0]).min() > 0.999
    cluster = _species("ball", ball(25), 1, placement="cluster")
    placed = _place(_canvas((60, 60, 60)), [cluster])
    assert len(placed) >= 4
    positions = np.array([item.position_zyx for item in placed])
    assert np.linalg.norm(positions - positions[0], axis=1).max() * PIXEL < 4.5 * 25


def test_random_rotations_are_uniform():
    rng = np.random.default_rng(5)
    rotation = random_rotation(rng)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    turned = np.array([random_rotation(rng)[:, 2] for _ in range(4000)])
    # heights of uniform directions are uniform on -1..1
    np.testing.assert_allclose(turned.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose((turned**2).mean(axis=0), 1 / 3, atol=0.02)
