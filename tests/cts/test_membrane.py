"""Bilayers: two leaflets, known shapes, insides, proteins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.signal import find_peaks

from cts.canvas import Canvas
from cts.config.specimen import MembraneConfig
from cts.membrane import apply_profile, bilayer_profile, draw_sheet, draw_tube, draw_vesicle, surface_points
from cts.membrane_field import CYTOSOL, LUMEN, OUTSIDE, place_membranes

ICE = 4.6


def _group(**changes):
    values = {
        "count": 1,
        "radius_nm": 25.0,
        "irregularity": 0.3,
        "leaflet_spacing_angstrom": 40.0,
        "bare": 0.0,
    }
    return MembraneConfig(**{**values, **changes})


def _across(pixel, spacing=40.0):
    """Potential of a hydrated bilayer along its normal, sampled at the pixel size."""
    profile = bilayer_profile(_group(leaflet_spacing_angstrom=spacing), pixel)
    distance = np.arange(-80 / pixel, 80 / pixel, 0.02).astype(np.float32)
    potential, occupancy = apply_profile(distance, profile, pixel)
    return distance * pixel, potential + ICE * (1 - occupancy), occupancy


@pytest.mark.parametrize("pixel", [4.0, 6.6, 8.0, 12.0])
@pytest.mark.parametrize("spacing", [35.0, 45.0])
def test_two_leaflets_stand_apart_and_the_core_lies_between_ice_and_heads(pixel, spacing):
    distance, potential, occupancy = _across(pixel, spacing)
    peaks, _ = find_peaks(potential)
    assert len(peaks) == 2
    assert np.ptp(distance[peaks]) == pytest.approx(spacing, abs=3)
    core, heads = potential[np.abs(distance) < 1].mean(), potential[peaks].mean()
    assert ICE < core < heads
    assert potential[0] == pytest.approx(ICE, abs=0.02)
    # it displaces as much water as it is thick, whatever the pixel size
    assert np.trapezoid(occupancy, distance) == pytest.approx(spacing + 10, rel=0.02)


def test_two_lines_remain_in_voxels_at_8_angstrom():
    pixel, centre = 8.0, np.array([35.2, 34.9, 35.4])
    vesicle = draw_vesicle(240 / pixel, 0.0, np.random.default_rng(1))
    distance = vesicle.distance(centre, np.zeros(3, np.int64), np.full(3, 71))
    potential, occupancy = apply_profile(distance, bilayer_profile(_group(), pixel), pixel)
    volts = potential + ICE * (1 - occupancy)
    radius = np.sqrt(((np.indices(volts.shape).T - centre) ** 2).sum(axis=-1)).T * pixel
    shells = np.arange(200, 280, 4)
    profile = [volts[np.abs(radius - shell) < 2].mean() for shell in shells]
    peaks, _ = find_peaks(profile, prominence=0.2)
    assert len(peaks) == 2
    assert np.ptp(shells[peaks]) == pytest.approx(40, abs=6)


def test_a_regular_vesicle_is_a_sphere_and_normals_point_outwards():
    rng = np.random.default_rng(0)
    shape, centre = draw_vesicle(20.0, 0.0, rng), np.array([25.0, 25.3, 24.6])
    start, stop = np.zeros(3, np.int64), np.full(3, 51)
    distance = shape.distance(centre, start, stop)
    exact = np.sqrt(((np.indices((51, 51, 51)).T - centre) ** 2).sum(axis=-1)).T - 20
    np.testing.assert_allclose(distance, exact, atol=1e-4)
    points, normals = surface_points(distance, start)
    np.testing.assert_allclose(np.linalg.norm(points - centre, axis=1), 20, atol=0.1)
    np.testing.assert_allclose(normals, (points - centre) / 20, atol=0.02)
    # one point for each pixel of area
    assert len(points) == pytest.approx(4 * np.pi * 20**2, rel=0.03)


def test_distances_of_irregular_shapes_are_true_near_the_surface():
    rng = np.random.default_rng(2)
    shape = (40, 60, 60)
    vesicle = draw_vesicle(16.0, 0.8, rng)
    volumes = [
        vesicle.distance(np.array([20.0, 30, 30]), np.zeros(3, np.int64), np.array(shape)),
        draw_sheet(shape, 0.8, 40.0, rng).distance(shape),
        draw_tube(shape, 8.0, 0.8, rng).distance(shape),
    ]
    for distance in volumes:
        gradient = np.sqrt(sum(part**2 for part in np.gradient(distance)))
        near = np.abs(distance) < 2.5
        near[[0, -1]] = near[:, [0, -1]] = near[:, :, [0, -1]] = False
        assert near.sum() > 500
        assert np.median(gradient[near]) == pytest.approx(1, abs=0.03)
        assert np.percentile(np.abs(gradient[near] - 1), 90) < 0.15


def test_coarse_distances_are_a_part_of_the_fine_ones():
    rng = np.random.default_rng(3)
    for shape in (draw_sheet((30, 41, 50), 0.5, 40.0, rng), draw_tube((30, 41, 50), 8.0, 0.5, rng)):
        fine = shape.distance((30, 41, 50))
        np.testing.assert_array_equal(shape.distance((30, 41, 50), 4), fine[::4, ::4, ::4])


def test_vesicles_keep_apart_and_enclose_their_lumen():
    canvas = Canvas((48, 160, 160), 12.0, (True, False, False))
    field = place_membranes(canvas, [_group(count=5, radius_nm=16.0)], np.random.default_rng(4))
    assert field.bilayers >= 4
    assert canvas.membrane_occupancy.max() < 1.01
    assert set(np.unique(field.compartments)) == {CYTOSOL, LUMEN}
    # a closed surface: lumen and cytosol touch only across the membrane
    lumen = field.compartments == LUMEN
    for axis in range(3):
        ahead, behind = (
            np.take(lumen, range(1, lumen.shape[axis]), axis),
            np.take(lumen, range(lumen.shape[axis] - 1), axis),
        )
        wall = np.take(canvas.membrane_occupancy, range(1, lumen.shape[axis]), axis)
        assert wall[ahead != behind].min() > 0.5


def test_double_and_nested_vesicles_lie_one_in_the_other():
    for group, gap in ((_group(kind="double_vesicle", gap_nm=12.0), 120.0), (_group(nested_share=1.0), None)):
        canvas = Canvas((80, 100, 100), 10.0, (False, False, False))
        field = place_membranes(canvas, [group], np.random.default_rng(5), keep_distance=True)
        assert field.bilayers == 2
        outer, inner = (canvas.membrane_instance == number for number in (1, 2))
        assert inner.any()
        assert (field.compartments[inner] == LUMEN).all()
        if gap is not None:
            first, second = (surface.points for surface in field.surfaces)
            step = np.linalg.norm(first[::50, None] - second, axis=-1).min(axis=1) * 10.0
            assert np.median(step) == pytest.approx(gap, rel=0.1)
        assert outer.sum() > inner.sum()


def test_distances_hold_everywhere_and_are_those_of_spheres():
    canvas = Canvas((60, 90, 130), 10.0, (True, False, False))
    group = _group(count=2, radius_nm=16.0, irregularity=0.0)
    field = place_membranes(canvas, [group], np.random.default_rng(9), keep_distance=True)
    assert field.bilayers == 2
    voxels = np.stack(np.indices(canvas.shape), axis=-1).astype(float)
    own = [
        np.linalg.norm(voxels - _centre_of_sphere(surface.points, 16.0), axis=-1) - 16.0
        for surface in field.surfaces
    ]
    nearest = np.where(np.abs(own[0]) < np.abs(own[1]), own[0], own[1]) * 10.0
    np.testing.assert_allclose(field.distance_angstrom, nearest, atol=canvas.pixel_size_angstrom)


def test_distances_without_a_membrane_are_the_diagonal():
    canvas = Canvas((8, 8, 8), 10.0, (False, False, False))
    field = place_membranes(canvas, [], np.random.default_rng(0), keep_distance=True)
    assert np.unique(field.distance_angstrom) == pytest.approx([80 * np.sqrt(3)])


def _centre_of_sphere(points, radius):
    """Return the point from which all of some points are a radius away, by least squares."""
    return least_squares(
        lambda centre: np.linalg.norm(points - centre, axis=1) - radius, points.mean(axis=0)
    ).x


def test_a_plasma_membrane_divides_the_cell_from_what_is_outside():
    canvas = Canvas((30, 80, 80), 12.0, (True, False, False))
    field = place_membranes(canvas, [_group(kind="plasma")], np.random.default_rng(6), keep_distance=True)
    assert set(np.unique(field.compartments)) == {CYTOSOL, OUTSIDE}
    assert ((field.distance_angstrom > 0) == (field.compartments == OUTSIDE)).all()
    surface = field.surfaces[0]
    ahead = np.rint(surface.points + 4 * surface.normals).astype(int)
    inside = ((ahead >= 0) & (ahead < canvas.shape)).all(axis=1)
    assert (field.compartments[tuple(ahead[inside].T)] == OUTSIDE).all()


@pytest.mark.parametrize(("kind", "bilayers"), [("sheet", 2), ("tube", 1)])
def test_sheets_and_tubes_have_a_lumen(kind, bilayers):
    canvas = Canvas((40, 100, 100), 12.0, (True, False, False))
    field = place_membranes(
        canvas, [_group(kind=kind, radius_nm=20.0, gap_nm=30.0)], np.random.default_rng(7)
    )
    assert field.bilayers == bilayers
    share = np.mean(field.compartments == LUMEN)
    assert 0.02 < share < 0.6


def test_bare_membranes_take_no_proteins():
    canvas = Canvas((48, 160, 160), 12.0, (True, False, False))
    field = place_membranes(canvas, [_group(count=4, radius_nm=16.0, bare=1.0)], np.random.default_rng(8))
    assert field.bilayers >= 3
    assert field.surfaces == []


@pytest.mark.parametrize("closed", [(True, False, False), (True, True, True)])
def test_membranes_of_organelles_larger_than_the_field_pass_through_it(closed):
    for seed in range(6):
        canvas = Canvas((24, 50, 60), 12.0, closed)
        field = place_membranes(canvas, [_group(radius_nm=1000.0)], np.random.default_rng(seed))
        assert field.bilayers == 1
        # a plane across the shorter side, the membrane half filled over 50 Å
        assert canvas.filled_voxels > 24 * 50 * 2
        assert {CYTOSOL, LUMEN} <= set(np.unique(field.compartments))
